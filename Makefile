# make demo    a trained network through the whole walk, to a bit-exact simulated frame
# make test    lint, types and every test
# make venv    set-up only; both of the above do it by themselves
# make lint    what is quick: ruff, formatting, types, house rules
# make bench   layers and networks simulated, beside what others published (some minutes; results are kept)
# make prove   what is proved of the hardware, and how (some minutes)
# make site    the documentation as a site, in build/site
# make fuzz    drawn and damaged models against onnxruntime; ARGS="--count 30000 --seed 1" for more, resumable
# make synth   Yosys on the text of the Ultra96's package, whole and flat: beside the estimate, and clock rules (six minutes)

SHELL := bash
export AMARANTH_USE_YOSYS := builtin

PY := .venv/bin/python
# Tests run side by side on this many processes.
WORKERS ?= 2

.PHONY: demo test lint bench prove fuzz synth format venv docs site clean

demo: venv
	$(PY) -m accelgen.cli.demo

test: lint
	$(PY) -m pytest -n $(WORKERS) --dist worksteal

lint: venv
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/house

# ARGS=--estimate prints the same table in seconds.
bench: venv
	$(PY) -m accelgen.bench $(ARGS)

prove: venv
	$(PY) -m tests.formal

# What is done is kept in build/fuzz: the same command goes on where it was interrupted.
fuzz: venv
	$(PY) -m tests.fuzz $(ARGS)

synth: venv
	$(PY) -m accelgen.synthesis --board ultra96v2

format: venv
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# The pages of docs/ that are generated from accelgen/arch.
docs: venv
	$(PY) -m accelgen.flow.docs docs

# The documentation as pages to click through, in build/site.
site: docs
	$(PY) -m mkdocs build --strict

venv: .venv/installed

.venv/installed: requirements.lock pyproject.toml .ci/venv
	@.ci/venv

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
