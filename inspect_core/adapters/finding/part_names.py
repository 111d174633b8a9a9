"""What the name of an adapter's tensor says: which module, which part of the change, whose."""

from typing import NamedTuple

PEFT_PREFIXES = ("base_model.model.", "base_model.")
"""What PEFT puts before every name of the base model; the shorter one for soft prompts."""

LORA, LOHA, LOKR, IA3, SAVED, TOKENS, OTHER = (
    "LoRA", "LoHa", "LoKr", "IA3", "saved", "tokens", "",
)  # fmt: skip

PARTS: dict[str, tuple[str, str]] = {
    "lora_A": (LORA, "A"), "lora_B": (LORA, "B"), "lora_down": (LORA, "A"),
    "lora_up": (LORA, "B"), "lora_embedding_A": (LORA, "A"), "lora_embedding_B": (LORA, "B"),
    "lora_magnitude_vector": (LORA, "magnitude"), "lora_E": (LORA, "E"),
    "ranknum": (LORA, "ranknum"), "ia3_l": (IA3, "scale"),
    "hada_w1_a": (LOHA, "w1_a"), "hada_w1_b": (LOHA, "w1_b"), "hada_w2_a": (LOHA, "w2_a"),
    "hada_w2_b": (LOHA, "w2_b"), "hada_t1": (LOHA, "t1"), "hada_t2": (LOHA, "t2"),
    "lokr_w1": (LOKR, "w1"), "lokr_w1_a": (LOKR, "w1_a"), "lokr_w1_b": (LOKR, "w1_b"),
    "lokr_w2": (LOKR, "w2"), "lokr_w2_a": (LOKR, "w2_a"), "lokr_w2_b": (LOKR, "w2_b"),
    "lokr_t2": (LOKR, "t2"), "trainable_tokens_delta": (TOKENS, "rows"),
}  # fmt: skip
"""Method and role of each part, by its component in PEFT's names."""

WHOLE = frozenset({"modules_to_save", "ln_tuning_layers"})
"""Components before parameters that take the place of the base's own."""

_ONE_MODULE = frozenset({"base_layer", "token_adapter"})
"""Components that PEFT's wrappers put into the path of one module."""

_LAST = 4
"""A part's component is among the last few."""


class Part(NamedTuple):
    """A tensor's name, taken apart; all texts are foreign.

    Attributes:
        module: the base's module, without PEFT's own components.
        method: `LoRA`, `LoHa`, `LoKr`, `IA3`, `tokens`, `saved` or, if it is none of these, "".
        role: which part of the change; of what is saved or not known, the parameter's name.
        leaf: the name inside the module, as the tree shows it, e.g. `lora_A.weight`.
        adapter: the adapter's name where the tensor's name holds one, else "".
        depth: how many wrappers of one module lie outside of this one.
        embedding: whether the part is one of an embedding's.
    """

    module: str
    method: str
    role: str
    leaf: str
    adapter: str = ""
    depth: int = 0
    embedding: bool = False


def part_of(name: str) -> Part:
    """Take the name of an adapter's tensor apart."""
    for prefix in PEFT_PREFIXES:
        if name.startswith(prefix):
            name = name[len(prefix) :]
            break
    pieces = name.split(".")
    for at in range(len(pieces) - 1, max(-1, len(pieces) - 1 - _LAST), -1):
        piece = pieces[at]
        if piece in WHOLE and at < len(pieces) - 1:
            adapter = ".".join(pieces[at + 1 : -1])
            return Part(_module(pieces[:at]), SAVED, pieces[-1], pieces[-1], adapter)
        if piece in PARTS:
            return _known(pieces, at)
    return _plain(pieces)


def _known(pieces: list[str], at: int) -> Part:
    method, role = PARTS[pieces[at]]
    rest = pieces[at + 1 :]
    last = rest.pop() if rest and rest[-1] in ("weight", "bias") else ""
    if last == "bias":
        role = f"{role}_bias"
    leaf = ".".join((pieces[at], last) if last else (pieces[at],))
    path, embedding = pieces[:at], "embedding" in pieces[at]
    return Part(_module(path), method, role, leaf, ".".join(rest), _wrappers(path), embedding)


def _plain(pieces: list[str]) -> Part:
    """A name without a known part: a parameter of the base's own, or something else."""
    path, last = pieces[:-1], pieces[-1]
    return Part(_module(path), OTHER, last, last, depth=_wrappers(path))


def _wrappers(path: list[str]) -> int:
    count = 0
    while count < len(path) and path[-1 - count] == "base_layer":
        count += 1
    return count


def _module(path: list[str]) -> str:
    return ".".join([piece for piece in path if piece not in _ONE_MODULE])
