"""Names for files that cannot be read as what they should be, so that an error can say why."""

_PYTORCH_HINT = "give it a name that says so, such as model.pt"

_MAGIC: list[tuple[bytes, str, str]] = [
    (
        b"version https://git-lfs",
        "a git-lfs pointer, not the weights themselves",
        "run `git lfs pull` in its folder",
    ),
    (b"PK\x03\x04", "a zip archive, probably a PyTorch file", _PYTORCH_HINT),
    (b"\x80\x02", "a Python pickle, probably a PyTorch file", _PYTORCH_HINT),
    (b"\x80\x03", "a Python pickle, probably a PyTorch file", _PYTORCH_HINT),
    (b"\x80\x04", "a Python pickle, probably a PyTorch file", _PYTORCH_HINT),
    (b"\x80\x05", "a Python pickle, probably a PyTorch file", _PYTORCH_HINT),
    (b"GGUF", "a GGUF file", "give it a name that ends in .gguf"),
    (b"\x89HDF\r\n", "an HDF5 file", "HDF5 is not read: convert it to safetensors"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
]
"""First bytes, what they tell, and what to do about it."""

SAVED_RESULT_HEAD = b'{"__metadata__":{"lamella":"result",'
"""How the header of a saved comparison begins, which is a safetensors file of its own kind."""

_SAVED_AT = 8
_TAR, _TAR_AT = b"ustar", 257
_DOWNLOAD_AGAIN = "download it again; the site may want you to log in"


def is_saved_result(head: bytes | bytearray) -> bool:
    """Whether a file that begins with these bytes is a saved comparison."""
    return head[_SAVED_AT : _SAVED_AT + len(SAVED_RESULT_HEAD)] == SAVED_RESULT_HEAD


def name_foreign_file(head: bytes) -> tuple[str, str] | None:
    """Say what a file is, by its first bytes.

    Args:
        head: at least the first 512 bytes, fewer if the file has fewer.

    Returns:
        What it is and a hint, or None if nothing is recognised.
    """
    for magic, what, hint in _MAGIC:
        if head.startswith(magic):
            return what, hint
    if is_saved_result(head):
        return "a saved result, which holds no weights", "give it alone: lamella FILE"
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return "a tar archive, perhaps a PyTorch 0.1 file", "save it again with a newer PyTorch"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page, not the weights: the download failed", _DOWNLOAD_AGAIN
    if start.startswith((b'{"', b"{\n", b"{}", b"{ ", b'["', b"[{", b"[[", b"[]", b"[\n")):
        return "a JSON text, not weights", "give the folder, or its .safetensors file"
    return None
