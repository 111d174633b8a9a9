"""Jobs that misbehave, importable by a worker process."""

import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from inspect_core.control import Progress
from inspect_core.errors import LamellaError


@dataclass(frozen=True)
class Probe:
    """Does what it is told."""

    act: str
    amount: float = 0.0
    background: bool = False
    needs_torch: bool = False
    time_limit: float | None = None
    memory_limit: int | None = None

    @property
    def about(self) -> str:
        return f"probing {self.act}"

    def run(self, context: Any) -> Any:
        return getattr(self, self.act)(context)

    def answer(self, context):
        return self.amount

    def pid(self, context):
        return os.getpid()

    def modules(self, context):
        return sorted(sys.modules)

    def numpy_file(self, context):
        import numpy

        return numpy.__file__

    def die(self, context):
        os._exit(7)

    def segfault(self, context):
        import ctypes

        ctypes.string_at(0)

    def fail(self, context):
        raise ValueError("bad \x1b[31m value")

    def refuse(self, context):
        raise LamellaError("no such thing", where="there", hint="look elsewhere")

    def exhaust(self, context):
        raise MemoryError

    def noise(self, context):
        print("noise on stdout", flush=True)
        os.write(1, b"raw noise\n")
        os.write(2, b"raw noise\n")
        sys.stderr.write("noise on stderr\n")
        return sys.stdin.read()

    def steps(self, context):
        for done in range(int(self.amount)):
            context.control.check()
            context.control.report(Progress(done, int(self.amount), "steps"))
            context.emit(done)
            time.sleep(0.01)
        return "finished"

    def hoard(self, context):
        held = []
        for _ in range(int(self.amount)):
            held.append(bytearray(b"x") * (10 << 20))
            time.sleep(0.01)
        time.sleep(20)

    def sleep(self, context):
        """Deaf to cancelling, as a call into a library is."""
        time.sleep(self.amount)
        return "slept"


@dataclass(frozen=True)
class Slow:
    """A job whose every comparison takes some seconds more."""

    job: Any
    seconds: float
    background: bool = True
    needs_torch: bool = False
    time_limit: float | None = None
    memory_limit: int | None = None

    @property
    def about(self) -> str:
        return self.job.about

    def run(self, context: Any) -> Any:
        from inspect_core.delta.compare import Comparer

        quick = Comparer._piece

        def slow(*arguments):
            time.sleep(self.seconds)
            return quick(*arguments)

        Comparer._piece = slow
        try:
            return self.job.run(context)
        finally:
            Comparer._piece = quick
