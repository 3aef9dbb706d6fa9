"""The issue model against what was measured on silicon, pair by pair, and by hand."""

import pytest

from accelgen.ps.instructions import loops_of, parse
from accelgen.ps.issue import COMPILER_RULES, SILICON_RULES, issue_bound, loop_cycles


def cycles(*lines, rules=SILICON_RULES):
    """Of one round of a loop without a branch."""
    return loop_cycles([parse(line) for line in lines], rules)


# Registers differ where the measurement's did; q operations are the ones with .4s.
PAIRS = [
    (
        "a 64-bit vector load and 128-bit arithmetic",
        ("ldr d0, [x9]", "fadd v1.4s, v2.4s, v2.4s"),
        2,
    ),
    (
        "128-bit arithmetic and a 64-bit vector load",
        ("fadd v1.4s, v2.4s, v2.4s", "ldr d0, [x9]"),
        2,
    ),
    ("128-bit arithmetic and an integer load", ("fadd v0.4s, v2.4s, v2.4s", "ldr x0, [x9]"), 1),
    ("a vector load and ins", ("ldr d0, [x9]", "ins v1.d[1], x0"), 1),
    ("ins and a vector load", ("ins v1.d[1], x0", "ldr d0, [x9]"), 1),
    ("a 128-bit store and arithmetic", ("fadd v0.4s, v2.4s, v2.4s", "str q1, [x9]"), 2),
    ("a load and a 128-bit store", ("ldr d0, [x9]", "str q1, [x8]"), 2),
    ("ins and a 128-bit store", ("ins v0.d[1], x0", "str q1, [x9]"), 2),
    ("a load and a store of 64 bits", ("ldr d0, [x9]", "str d1, [x8]"), 2),
    ("128-bit arithmetic and an integer store", ("fadd v0.4s, v2.4s, v2.4s", "str x0, [x9]"), 1),
    ("a vector load and ins into one register", ("ldr d0, [x9]", "ins v0.d[1], x0"), 2),
    ("extract and 128-bit arithmetic", ("mov x0, v1.d[0]", "fadd v0.4s, v2.4s, v2.4s"), 2),
    ("64-bit arithmetic and a vector load", ("fadd v0.2s, v2.2s, v2.2s", "ldr d1, [x9]"), 1),
    ("a vector load and 64-bit arithmetic", ("ldr d1, [x9]", "fadd v0.2s, v2.2s, v2.2s"), 1),
    (
        "128-bit arithmetic and a pointer's update",
        ("fadd v0.4s, v2.4s, v2.4s", "add x1, x2, #8"),
        1,
    ),
]


@pytest.mark.parametrize(("name", "lines", "expected"), PAIRS, ids=[p[0] for p in PAIRS])
def test_pairs_take_what_was_measured(name, lines, expected):
    assert cycles(*lines) == expected


def test_a_128_bit_load_takes_two_cycles_of_its_own():
    assert cycles("ldr q0, [x9]", "fadd v1.4s, v2.4s, v2.4s") == 3


def test_the_compilers_rules_let_vector_loads_go_along():
    lines = ("fadd v1.4s, v2.4s, v2.4s", "ldr d0, [x9]")

    assert cycles(*lines, rules=COMPILER_RULES) == 1


def test_a_dependent_chain_waits_its_latency():
    assert cycles("add v0.4s, v0.4s, v1.4s") == 4
    assert cycles("smlal v0.8h, v1.8b, v2.8b") == 4
    assert cycles("add x0, x0, #1") == 1
    assert cycles("fmul v0.4s, v0.4s, v1.4s", "fadd v0.4s, v0.4s, v1.4s") == 8


def test_sadalp_takes_two_cycles_and_smull_one():
    assert cycles("sadalp v0.4s, v8.8h", "sadalp v1.4s, v8.8h", "sadalp v2.4s, v8.8h") == 6
    assert cycles("smull v0.8h, v8.8b, v9.8b", "smull v1.8h, v8.8b, v9.8b") == 2


def test_one_memory_access_per_cycle():
    assert cycles("ldr x0, [x9]", "ldr x1, [x9, #8]", "str x2, [x8]") == 3
    assert cycles("ldp x0, x1, [x9]") == 2


def test_an_address_that_was_just_computed_is_waited_for():
    assert cycles("add x9, x9, #8", "ldr x0, [x9]") > cycles("add x9, x9, #8", "ldr x0, [x8]")


def test_the_bound_counts_units_and_nothing_else():
    loop = [
        parse(t) for t in ("smull v0.8h, v1.8b, v2.8b", "sadalp v3.4s, v0.8h", "ldr d1, [x0], #8")
    ]

    assert issue_bound(loop, SILICON_RULES) == 3
    assert issue_bound(loop, COMPILER_RULES) == 2
    assert issue_bound([parse("ldr x0, [x1]")] * 5, SILICON_RULES) == 5
    assert issue_bound([parse("add x0, x1, x2")] * 5, SILICON_RULES) == 2.5


@pytest.mark.parametrize(
    ("line", "kind", "reads", "writes"),
    [
        ("smlal2\tv28.8h, v24.16b, v0.16b", "arithmetic", {"v28", "v24", "v0"}, {"v28"}),
        ("smull\tv28.8h, v24.8b, v0.8b", "arithmetic", {"v24", "v0"}, {"v28"}),
        ("mov\tv25.d[1], x7", "insert", {"v25", "x7"}, {"v25"}),
        ("fmov\td1, x2", "insert", {"x2"}, {"v1"}),
        ("ldr\td26, [x1, #32]", "vector load", {"x1"}, {"v26"}),
        ("ldp\tq0, q1, [x5], #32", "vector load", {"x5"}, {"v0", "v1", "x5"}),
        ("str\tq0, [sp, #-16]!", "vector store", {"v0"}, set()),
        ("stp\tx7, x6, [x4, #16]", "store", {"x7", "x6", "x4"}, set()),
        ("ldrb\tw3, [x2, w1, sxtw]", "load", {"x2", "x1"}, {"x3"}),
        ("prfm\tpldl1strm, [x1, #1024]", "load", {"x1"}, set()),
        ("subs\tx2, x2, #0x1", "integer", {"x2"}, {"x2", "flags"}),
        ("csel\tx4, x1, x4, eq  // eq = none", "integer", {"x1", "x4", "flags"}, {"x4"}),
        ("b.ne\t130 <agps_dot8+0x40>  // b.any", "branch", {"flags"}, set()),
        ("cbz\tx2, 170 <f+0x170>", "branch", {"x2"}, set()),
        ("sqxtn2\tv1.4s, v20.2d", "arithmetic", {"v1", "v20"}, {"v1"}),
        ("tbl\tv0.16b, {v30.16b-v1.16b}, v4.16b", "arithmetic",
         {"v30", "v31", "v0", "v1", "v4"}, {"v0"}),
        ("tbx\tv0.16b, {v4.16b-v7.16b}, v9.16b", "arithmetic",
         {"v0", "v4", "v5", "v6", "v7", "v9"}, {"v0"}),
        ("umov\tw0, v3.b[2]", "extract", {"v3"}, {"x0"}),
    ],
)  # fmt: skip
def test_instructions_are_understood(line, kind, reads, writes):
    what = parse(line)

    assert (what.kind, what.reads, what.writes) == (kind, reads, writes)


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("ldr\td0, [x0]", 8), ("ldr\tq0, [x0]", 16), ("ldp\td0, d1, [x0]", 16),
        ("ld1\t{v0.16b-v3.16b}, [x0]", 64), ("st1\t{v0.8b}, [x0]", 8), ("ldrb\tw0, [x0]", 4),
        ("ldp\tx0, x1, [x2]", 16), ("prfm\tpldl1strm, [x1]", 0), ("add\tx0, x1, x2", 0),
    ],
)  # fmt: skip
def test_sizes_of_loads_and_stores(line, size):
    assert parse(line).data_bytes == size


LISTING = """
0000000000000000 <f>:
   0:	mov	x0, #0x0
   4:	ldr	d0, [x1]
   8:	add	x0, x0, #0x1
   c:	subs	x2, x2, #0x1
  10:	b.ne	8 <f+0x8>  // b.any
  14:	cbnz	x0, 4 <f+0x4>
  18:	ret

000000000000001c <g>:
  1c:	b	1c <g>
"""


def test_innermost_loops_of_a_function():
    (loop,) = loops_of(LISTING, "f")

    assert [i.mnemonic for i in loop] == ["add", "subs", "b.ne"]
    assert len(loops_of(LISTING, "g")) == 1
    assert loops_of(LISTING, "h") == []
