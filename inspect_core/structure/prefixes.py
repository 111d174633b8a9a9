"""Known prefixes of tensor names: a wrapper or a head puts one before every name it holds."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

PREFIXES = (
    "base_model.model.", "base_model.", "model.", "module.", "_orig_mod.", "transformer.",
    "language_model.", "bert.", "roberta.", "distilbert.", "electra.", "albert.", "deberta.",
    "mpnet.", "mobilebert.", "longformer.", "funnel.", "esm.", "gpt_neox.", "backbone.", "vit.",
    "deit.", "swin.", "convnext.", "wav2vec2.", "hubert.", "auto_model.", "0.auto_model.",
)  # fmt: skip
"""What training wrappers, adapters and the library's head classes put before names.

`encoder.` and the towers of two-tower models are not among them: the other half of such a
model has the same names inside, and a partner there would be a guess.
"""

SAMPLE = 4096
"""Names that candidates are tried on; the best one is then counted over all."""

T = TypeVar("T")


class Renaming(NamedTuple):
    """One rule for all names: a prefix to strip, a prefix to add; `""` for none."""

    strip: str
    add: str

    def apply(self, name: str) -> str | None:
        """The new name, or None where the rule says nothing."""
        if not name.startswith(self.strip):
            return None
        return self.add + name[len(self.strip) :]

    def __str__(self) -> str:
        if self.strip and self.add:
            return f"prefix '{self.strip}' replaced by '{self.add}'"
        if self.strip:
            return f"prefix '{self.strip}' stripped"
        return f"prefix '{self.add}' added" if self.add else "same name"


def renamings(
    ours: Sequence[str], theirs: Sequence[str], extra: Iterable[str] = ()
) -> list[Renaming]:
    """Renamings of our names to theirs that can make a match, the simplest first.

    Args:
        ours: names to rename.
        theirs: names to reach.
        extra: prefixes to try beside the known ones.
    """
    known = tuple(dict.fromkeys((*PREFIXES, *extra)))
    pairs = [
        Renaming(strip, add)
        for strip in _occurring(ours, known)
        for add in _occurring(theirs, known)
        if strip != add
    ]
    return sorted(pairs, key=lambda pair: (bool(pair.strip) + bool(pair.add), len("".join(pair))))


def sample(items: Sequence[T]) -> Sequence[T]:
    """Some items, evenly spaced over all of them; all if they are few."""
    return items[:: -(-len(items) // SAMPLE)] if items else items


def _occurring(names: Sequence[str], known: tuple[str, ...]) -> list[str]:
    """No prefix, the known ones that begin a name, and chains of two such."""
    heads = {name.partition(".")[0] for name in names}
    few = [prefix for prefix in known if prefix.partition(".")[0] in heads]
    found = [prefix for prefix in few if any(name.startswith(prefix) for name in names)]
    chains = [
        first + second
        for first in found
        for second in known
        if first + second not in found and any(n.startswith(first + second) for n in sample(names))
    ]
    return ["", *found, *chains]
