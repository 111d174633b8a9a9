"""Frames between the app and its workers: a length, then a pickle. Both ends are ours."""

import pickle
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, message: object) -> None:
    """Write one message and flush it.

    Raises:
        OSError: the other end is gone.
    """
    frame = pickle.dumps(message, protocol=5)
    stream.write(
        _LENGTH.pack(len(frame)) + frame if len(frame) < 65536 else _LENGTH.pack(len(frame))
    )
    if len(frame) >= 65536:
        stream.write(frame)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message.

    Raises:
        EOFError: the other end is gone.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    frame = stream.read(length)
    if len(frame) < length:
        raise EOFError
    return pickle.loads(frame)
