"""Paths that are no files, or whose names are the attack."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from hostile.case import Case, Room, entry, is_root, safetensors, squares, to_json, write

GOOD = squares(["a"])
MEGABYTES_4 = 4 << 20


def file_system(room: Room) -> Iterator[Case]:
    """Folders, pipes, devices, links, permissions and names."""
    yield from _no_files(room)
    yield from _links(room)
    yield from _names(room)
    yield room.file("f_upper_ext", GOOD, "open", name="UPPER.SAFETENSORS")
    yield room.file("f_no_ext", GOOD, "open", name="noext")
    big = safetensors({"big": entry("U8", [MEGABYTES_4], 0, MEGABYTES_4)})
    note = "opens; it is cut while it is read, and that read is refused (a mapping dies of SIGBUS)"
    yield room.file(
        "f_shrinks_while_mapped", big, "open", note, kind="shrink", sparse=len(big) + MEGABYTES_4
    )


def _no_files(room: Room) -> Iterator[Case]:
    yield room.files("f_empty_dir", {}, "reject")
    yield room.files("f_dir_without_weights", {"README.md": b"# hi"}, "reject")
    folder = room.subfolder("f_dir_named.safetensors")
    yield room.case("f_dir_named_safetensors", folder, "reject", "it is an empty folder")
    for name, kind in (("fifo.safetensors", "safetensors"), ("fifo.pt", "pickle")):
        os.mkfifo(room.folder / name)
        id_ = "f_fifo" if kind == "safetensors" else "f_fifo_pt"
        yield room.case(id_, room.folder / name, "reject", "open() would wait for ever")
    path = room.folder / "sock.safetensors"
    # A socket's address is short, so it is bound from its own folder.
    with contextlib.chdir(path.parent), contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(path.name)
    yield room.case("f_socket", path, "reject")
    yield room.case("f_absent", room.folder / "absent.safetensors", "reject")
    yield room.case("f_below_a_file", room.folder / "UPPER.SAFETENSORS" / "x", "reject")
    as_root = "root may read everything: it opens there, and is refused to others"
    path = write(room.folder / "unreadable.safetensors", GOOD)
    path.chmod(0)
    yield room.case("f_unreadable", path, "open" if is_root() else "reject", as_root)
    case = room.files("f_unreadable_dir", {"model.safetensors": GOOD}, "reject", as_root)
    if not is_root():
        case.path.chmod(0)
        yield case


def _links(room: Room) -> Iterator[Case]:
    for id_, name, target in (
        ("f_dangling", "dangling.safetensors", "nowhere"),
        ("f_symlink_loop", "loop.safetensors", "loop.safetensors"),
        ("f_dev_zero", "dev_zero.safetensors", "/dev/zero"),
        ("f_dev_zero_pt", "dev_zero.pt", "/dev/zero"),
        ("f_dev_zero_gguf", "dev_zero.gguf", "/dev/zero"),
        ("f_dev_tty", "dev_tty.safetensors", "/dev/tty"),
        ("f_dev_stdin", "dev_stdin.safetensors", "/dev/stdin"),
        ("f_proc_mem", "proc_mem.safetensors", "/proc/self/mem"),
        ("f_proc_maps", "proc_maps.safetensors", "/proc/self/maps"),
    ):
        path = room.folder / name
        path.symlink_to(target)
        yield room.case(id_, path, "reject")
    write(room.folder / "linked.safetensors", GOOD)
    path = room.folder / "link.safetensors"
    path.symlink_to("linked.safetensors")
    yield room.case("f_link", path, "open", "an honest link")


_NAMES = [
    ("f_name_escape", "esc\x1b]0;PWNED-FN\x1b\\.safetensors"),
    ("f_name_newline", "new\nline.safetensors"),
    ("f_name_markup", "[bold][@click=app.quit].safetensors"),
    ("f_name_glob", "[a]*?.safetensors"),
    ("f_name_255", "x" * 243 + ".safetensors"),
    ("f_name_bidi", "a\u202ecba.safetensors"),
    ("f_name_minus", "--help.safetensors"),
    ("f_name_spaces", "  .safetensors"),
    ("f_name_percent", "%s%n{0}.safetensors"),
]


def _names(room: Room) -> Iterator[Case]:
    for id_, name in _NAMES:
        yield room.file(id_, GOOD, "open", name=name)
    not_utf8 = Path(os.fsdecode(os.fsencode(room.folder) + b"/bad\xff\xfe.safetensors"))
    with contextlib.suppress(OSError):  # some file systems refuse such a name
        write(not_utf8, GOOD)
        note = "printing it as it is raises UnicodeEncodeError"
        yield room.case("f_name_not_utf8", not_utf8, "open", note)
    folder = room.subfolder("\x1b[2J[@click=app.quit]\n")
    write(folder / "model.safetensors", GOOD)
    yield room.case("f_folder_name", folder, "open", "the folder's name is the title")
    folder = room.subfolder("names_in_a_folder")
    for name in ("\x1b[2J.safetensors", "[bold]x.safetensors"):
        write(folder / name, GOOD)
    yield room.case("f_folder_of_names", folder, "reject", "the message lists the files")
    folder = room.subfolder("index_in_a_folder")
    name = "\x1b]0;x\x07.safetensors"
    write(folder / name, GOOD)
    write(folder / "x.safetensors.index.json", to_json({"weight_map": {"a": name}}))
    yield room.case("f_index_of_names", folder, "open")
