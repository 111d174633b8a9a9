"""What must never reach a person's terminal, and what a folder looks like from outside."""

import os
import unicodedata
from pathlib import Path

_INVISIBLE_RANGES = [
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]  # fmt: skip
"""Unicode's Default_Ignorable_Code_Point, and the empty braille cell."""

INVISIBLE = frozenset(chr(c) for first, last in _INVISIBLE_RANGES for c in range(first, last + 1))

_OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def unsafe(text: str) -> list[str]:
    """The characters of a text that act on a terminal, vanish or pile up."""
    found = sorted({f"{ord(char):#x}" for char in set(text) if _acts(char)})
    if not any(_is_mark(char) for char in set(text)):
        return found
    marks = most = 0
    for char in text:
        marks = marks + 1 if _is_mark(char) else 0
        most = max(most, marks)
    return [*found, f"{most} marks in a row"] if most > 2 else found


def _acts(char: str) -> bool:
    category = unicodedata.category(char)
    return category in _OBEYED or char in INVISIBLE or (category == "Zs" and char != " ")


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Me")


def unsafe_output(raw: bytes) -> list[str]:
    """The same of what a command printed, where a line may end."""
    return unsafe(raw.decode("utf-8").replace("\n", ""))


def snapshot(root: Path) -> dict[str, tuple[int, ...]]:
    """Everything below a folder, by path: a write of any kind changes it."""
    found: dict[str, tuple[int, ...]] = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)  # noqa: PTH118 - a name may be no Unicode
            status = os.lstat(path)
            found[path] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino)
    return found
