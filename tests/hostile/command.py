"""The command line in this process, with what it prints as bytes."""

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest.mock import patch

from tui.cli import main


class Printed(NamedTuple):
    """What a command left behind."""

    status: object
    out: bytes
    err: bytes


def lamella(*words: str | os.PathLike[str], encoding: str = "utf-8") -> Printed:
    """Run a command, its output going to pipes.

    Args:
        words: the command line.
        encoding: of standard output and standard error.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    status: object = "it did not exit"
    argv = ["lamella", *map(os.fspath, words)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    streams = (out, err)
    for stream in streams:
        stream.flush()
    printed = [stream.buffer.getvalue() for stream in streams]  # type: ignore[attr-defined]
    return Printed(status, printed[0], printed[1])
