"""One family of errors: what is wrong, where, and what to do about it, on one line."""

from inspect_core.text import clean


class LamellaError(Exception):
    """A problem the user can understand: it is shown as one line, never as a traceback.

    Args:
        what: what is wrong, in plain words.
        where: the file, tensor or option it is wrong in; foreign text is allowed.
        hint: what to do about it.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what, where, hint)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{clean(self.where)}: " if self.where else ""
        advice = f"; {clean(self.hint, 400)}" if self.hint else ""
        return f"{place}{clean(self.what, 400)}{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(kind: type[LamellaError], what: str, where: str, hint: str) -> LamellaError:
    return kind(what, where=where, hint=hint)


class CheckpointError(LamellaError):
    """A checkpoint, or one of its files, cannot be used."""


class FilesChanged(CheckpointError):  # noqa: N818 - it says what happened
    """The files are no longer those that were opened; opening them again helps."""


class UsageError(LamellaError):
    """What was asked for makes no sense for this model."""


class Cancelled(Exception):  # noqa: N818 - a request that was obeyed, not an error
    """The work was stopped because nobody waits for it any more."""
