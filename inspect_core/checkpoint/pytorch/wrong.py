"""What is wrong with a PyTorch file, before anybody knows which file it was."""


class PyTorchError(ValueError):
    """The file breaks a rule; the message says why, in foreign words perhaps.

    Args:
        what: what is wrong.
        hint: what to do about it.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint
