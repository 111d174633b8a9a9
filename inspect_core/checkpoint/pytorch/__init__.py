"""Files of `torch.save`, read without running, importing or looking up anything they name."""

from inspect_core.checkpoint.pytorch.file import parse_pytorch

__all__ = ["parse_pytorch"]
