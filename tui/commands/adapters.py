"""Adapters among the words of a command: which of them are put on which."""

from collections.abc import Sequence

from inspect_core.adapters.folders import is_adapter, refuse_several
from inspect_core.errors import UsageError
from inspect_core.opening import Adapted, Files, Uri, open_model

NO_BASE = "is an adapter, not the model that it sits on"


def on_base(base: Files, adapters: Sequence[str]) -> Uri:
    """A base with adapters on it; by itself where there are none."""
    return Adapted(base, tuple(adapters)) if adapters else base


def compared_models(
    words: Sequence[str], adapters: Sequence[str], onto: Sequence[str] = ()
) -> tuple[Uri, ...]:
    """What `lamella diff` compares: the base, then each model.

    Args:
        words: BASE and models; an adapter's folder in place of a model is put on BASE, and
            adapters alone are compared as the changes that they make.
        adapters: put on BASE. Without another model they are what is compared with it.
        onto: adapters that are put on BASE in place of those, for the other side.

    Raises:
        UsageError: an adapter is given where its base is wanted, or a folder of several.
    """
    for word in words:
        refuse_several(word)
    base, *others = words
    if onto and others:
        raise UsageError("goes with BASE alone", where="--to-adapter", hint="leave MODEL out")
    if onto:
        return on_base(base, adapters), on_base(base, onto)
    if adapters and not others:
        return base, on_base(base, adapters)
    if not is_adapter(base):
        return on_base(base, adapters), *[
            Adapted(base, (one,)) if is_adapter(one) and not adapters else one for one in others
        ]
    if adapters:
        return on_base(base, adapters), *others  # opening it says what is wrong
    if not all(map(is_adapter, others)):
        raise UsageError(NO_BASE, where=base, hint="give BASE MODEL --adapter DIR")
    return tuple([Adapted(None, (word,)) for word in words])


def app_models(
    model: Files, reference: Files | None, adapters: Sequence[str]
) -> tuple[Uri, Uri | None]:
    """What the app opens, and what it compares that with: a base with adapters, with the base.

    An adapter alone whose reference is no adapter is put on that.
    """
    if adapters:
        return on_base(model, adapters), reference or model
    alone = isinstance(model, str) and is_adapter(model) and not is_adapter(reference)
    if alone and isinstance(model, str) and reference is not None:
        return Adapted(reference, (model,)), reference
    return model, reference


def own_parameters(models: Sequence[Uri]) -> frozenset[str]:
    """Names of the factors of adapters, where what they make is compared with something else.

    The same change has many factors: what differs in them says nothing of what they do, and a
    model into which they were merged has none.

    Raises:
        CheckpointError: an adapter cannot be read.
    """
    names: set[str] = set()
    if not isinstance(models[0], Adapted):
        return frozenset()
    for uri in models:
        with open_model(uri) as checkpoint:
            overlay = checkpoint.overlay
            if overlay is not None:
                own = {name for name, spec in overlay.specs.items() if spec.delta}
                names |= own - {target.weight for target in overlay.targets}
    return frozenset(names)
