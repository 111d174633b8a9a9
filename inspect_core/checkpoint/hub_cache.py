"""Models that the Hugging Face tools left in their local cache; nothing is downloaded."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from inspect_core.checkpoint.byte_source import read_whole, unreadable
from inspect_core.errors import CheckpointError

_REPO = re.compile(r"(?:[A-Za-z0-9_][\w.-]*/)?[A-Za-z0-9_][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[\w.-]+(?:/[\w.-]+)*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_MAX_NAME = 200
_MAX_REF_BYTES = 1000


class HubName(NamedTuple):
    """A model as the hub names it: `org/name` or `name`, and a branch, tag or commit."""

    repo: str
    revision: str


def parse_hub_name(text: str) -> HubName | None:
    """Read `org/name` or `org/name@revision`; None if it cannot be one."""
    repo, at, revision = text.partition("@")
    if len(text) > _MAX_NAME or not _REPO.fullmatch(repo) or "--" in repo or ".." in repo:
        return None
    if at and (not _REVISION.fullmatch(revision) or ".." in revision.split("/")):
        return None
    return HubName(repo, revision if at else "main")


def cache_folder() -> Path:
    """Find the cache where the Hugging Face tools look for it."""
    for variable, below in [
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    ]:
        folder = os.environ.get(variable)
        if folder:
            return _home(os.path.expandvars(folder)) / below
    return _home("~/.cache/huggingface/hub")


def _home(folder: str) -> Path:
    """A folder with its `~` expanded where there is a home, else as it stands."""
    return Path(os.path.expanduser(folder))  # noqa: PTH111 - pathlib's raises without a home


def find_snapshot(name: HubName) -> Path | None:
    """Find the folder of a cached model.

    Returns:
        The snapshot's folder, or None if the cache knows no such model.

    Raises:
        CheckpointError: the model is cached, but not in this revision.
    """
    model = cache_folder() / f"models--{name.repo.replace('/', '--')}"
    try:
        if not model.is_dir():
            return None
        snapshots = model / "snapshots"
        commits = sorted(at.name for at in snapshots.iterdir()) if snapshots.is_dir() else []
        commit = _read_ref(model / "refs" / name.revision)
        if commit is None:
            commit = _match_commit(name.revision, commits)
        if commit in commits:
            return snapshots / commit
    except (OSError, ValueError) as error:
        raise unreadable(model, error) from error
    what = f"{name.repo} is cached, but not its revision {name.revision}"
    raise CheckpointError(what, where=str(model), hint=_what_is_there(name.repo, commits))


def title_of_snapshot(folder: Path) -> str | None:
    """Say `org/name` for a folder that lies in a cache as a snapshot, else None."""
    if folder.parent.name != "snapshots":
        return None
    kind, _, repo = folder.parent.parent.name.partition("--")
    return repo.replace("--", "/", 1) if kind == "models" and repo else None


def _read_ref(path: Path) -> str | None:
    if not path.is_file():
        return None
    return read_whole(path, _MAX_REF_BYTES).decode("ascii", errors="replace").strip()


def _match_commit(revision: str, commits: list[str]) -> str | None:
    """Take a whole commit or the clear start of one; without `main`, the only snapshot."""
    if revision in commits:
        return revision
    if _COMMIT.fullmatch(revision):
        commits = [commit for commit in commits if commit.startswith(revision)]
    elif revision != "main":
        return None
    return commits[0] if len(commits) == 1 else None


def _what_is_there(repo: str, commits: list[str]) -> str:
    if not commits:
        return f"download it: hf download {repo}"
    return "cached are " + ", ".join(f"{repo}@{commit[:12]}" for commit in commits[:3])
