"""Processes that judge cases, within limits of time and memory: one that dies names its case."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tests.fuzz.choices import Choices

__all__ = ["Job", "Limits", "Pool", "Result"]

#: What a worker answers: verdict as a dictionary, and processor seconds.
Answer = tuple[dict[str, str], float]


@dataclass(frozen=True)
class Limits:
    """Of one case: seconds of the processor, of the clock (other programs run, too), and bytes
    beside what a worker has from the start."""

    seconds: float = 20
    wall: float = 120
    memory: int = 4 << 30


@dataclass(frozen=True)
class Job:
    """Case ``k`` of ``seed``; or of ``kind``, as the decisions ``taken`` make it."""

    seed: int
    k: int
    kind: str = ""
    taken: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Result:
    """Kind of case, verdict (as :class:`~.judge.Verdict`), decisions, processor seconds."""

    job: Job
    kind: str
    verdict: dict[str, str]
    taken: list[int]
    seconds: float


def decided(job: Job) -> Any:
    """The case of a job."""
    from tests.fuzz.cases import draw, draw_case

    if job.taken is None:
        return draw(job.seed, job.k)
    return draw_case(job.kind, Choices(job.taken))


def _serve(pipe: Connection, limits: Limits, prepare: Callable[[], None] | None, log: str) -> None:
    """A worker: judges what comes, and says so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from tests.fuzz.judge import judge

    if prepare:
        prepare()
    judge(decided(Job(0, 0, "drawn", ())))  # loads what is loaded late
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + limits.memory,) * 2)
    with open(log, "w") as file:
        faulthandler.register(signal.SIGUSR1, file)
        faulthandler.enable(file)
        pipe.send(None)
        while (job := pipe.recv()) is not None:
            start = time.process_time()
            try:
                case = decided(job)
                verdict = judge(case).to_dict()
                answer = (case.kind, verdict, case.taken, time.process_time() - start)
            except MemoryError:
                verdict = {"kind": "memory", "where": "", "said": "while the case was made"}
                answer = ("", verdict, [], time.process_time() - start)
            pipe.send(answer)


class _Worker:
    def __init__(self, limits: Limits, prepare: Callable[[], None] | None, folder: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.limits, self.prepare, self.folder = limits, prepare, folder
        self.pipe, theirs = context.Pipe()
        handle, self.log = tempfile.mkstemp(dir=folder)
        os.close(handle)
        arguments = (theirs, limits, prepare, self.log)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.ready = False
        self.began = self.spent = 0.0

    def give(self, job: Job) -> None:
        self.job, self.began, self.spent = job, time.monotonic(), self._cpu()
        self.pipe.send(job)

    def take(self) -> Result | None:
        """What it answered; None when it only said that it is there."""
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            if self.job is None:
                raise RuntimeError("a worker died before its first case") from None
            self.process.join()
            return self._failed("died", f"exit status {self.process.exitcode}")
        if answer is None:
            self.ready = True
            return None
        kind, verdict, taken, seconds = answer
        job, self.job = self.job, None
        assert job is not None
        return Result(job, kind, verdict, taken, seconds)

    def overdue(self) -> Result | None:
        """The verdict on a case that takes too long: the worker is ended."""
        if self.job is None or time.monotonic() - self.began < self.limits.seconds:
            return None
        spent = self._cpu() - self.spent
        if spent < self.limits.seconds and time.monotonic() - self.began < self.limits.wall:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGUSR1)
            time.sleep(0.2)
        return self._failed("hang", f"over {self.limits.seconds:g} s")

    def _failed(self, kind: str, said: str) -> Result:
        assert self.job is not None
        where = _last_line(Path(self.log).read_text(errors="replace"))
        verdict = {"kind": kind, "where": where, "said": said}
        taken = list(self.job.taken or ())
        return Result(self.job, self.job.kind, verdict, taken, time.monotonic() - self.began)

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _last_line(dump: str) -> str:
    """The innermost line of accelgen in what faulthandler wrote."""
    for line in dump.splitlines():
        if "/accelgen/" in line and "/site-packages/" not in line:
            file, _, name = line.partition('"')[2].partition('"')
            return f"{'/'.join(Path(file).parts[-2:])}:{name.rpartition(' in ')[2]}"
    return ""


class Pool:
    """``jobs`` workers, to be closed. ``prepare`` runs in each at its start."""

    def __init__(
        self, jobs: int = 1, limits: Limits | None = None, prepare: Callable[[], None] | None = None
    ) -> None:
        self.limits, self.prepare = limits or Limits(), prepare
        self.folder = tempfile.TemporaryDirectory(prefix="accelgen-fuzz-")
        self.workers = [self._start() for _ in range(jobs)]

    def _start(self) -> _Worker:
        return _Worker(self.limits, self.prepare, self.folder.name)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.end()
        self.folder.cleanup()

    def run(self, jobs: Iterable[Job]) -> Iterator[Result]:
        """Results of all ``jobs``, as they come."""
        waiting = iter(jobs)
        more = True
        while more or any(w.job for w in self.workers):
            for worker in self.workers:
                if more and worker.ready and worker.job is None:
                    job = next(waiting, None)
                    more = job is not None
                    if job is not None:
                        worker.give(job)
            asked = [w.pipe for w in self.workers if w.job or not w.ready]
            answered = set(wait(asked, timeout=0.5)) if asked else set()
            for at, worker in enumerate(self.workers):
                result = worker.take() if worker.pipe in answered else worker.overdue()
                if result and result.verdict["kind"] in ("hang", "died"):
                    worker.end()
                    self.workers[at] = self._start()
                if result:
                    yield result

    def one(self, job: Job) -> Result:
        """The result of one job."""
        return next(self.run([job]))
