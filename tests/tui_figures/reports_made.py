"""Reports of activations that look like real ones, without a model."""

import numpy as np

from inspect_core.activations.neurons import (
    ActivationReport,
    FeatureShare,
    NeuronDetail,
    NeuronTable,
    Share,
    SiteReport,
    Strong,
)

TAGS = ("NOUN", "VERB", "ADJ", "DET", "ADP", "PUNCT", "PRON", "ADV", "AUX", "CCONJ", "PROPN", "NUM",
        "PART", "SCONJ", "INTJ", "SYM", "X")  # fmt: skip
WORDS = ("good", "bad", "film", "movie", "the", "of", "plot", "actor", "never", "moving", "dull")
SENTENCE = ("the film is good, never dull, and its plot is as good as any in a season of remakes;"
            " still, the actor who plays the detective seems to be somewhere else")  # fmt: skip


def neurons(units=256, seed=0, site="encoder.layer.0", compared=True, tags=True, move=1.0):
    """Neurons with lengths spread over decades, some dead, new or gone."""
    rng = np.random.default_rng(seed)
    mass_before = np.exp(rng.normal(3.0, 1.6, units))
    count = np.maximum(1, mass_before * rng.lognormal(0.3, 0.3, (2, units))).astype(np.int64)
    count[0, rng.random(units) < 0.06] = 0
    count[1, rng.random(units) < 0.06] = 0
    if not compared:
        count[0] = count[1]
    length = np.where(count > 0, np.maximum(1, count**0.85), 0).astype(np.int64)
    union = np.where(length.min(0) > 0, (length.max(0) * rng.uniform(1, 1.6, units)), length.max(0))
    distance = np.clip(rng.beta(2, 5, units) * move + 0.15 * (count.min(0) < 20), 0, 1)
    shared = count.min(0) > 0
    distance = np.where(shared & compared, distance, np.nan)
    tag_length = np.minimum(17, np.maximum(length > 0, length**0.5)).astype(np.int64)
    words = [
        tuple(WORDS[k % len(WORDS)] if n else "" for k, n in enumerate(side)) for side in count
    ]
    return NeuronTable(
        site, distance, distance * 0.6 if tags else None, (), union.astype(np.int64), length,
        tag_length if tags else None, count, count * rng.uniform(0.5, 1.2, (2, units)),
        distance / np.maximum(union, 1), (words[0], words[1]),
    )  # fmt: skip


def site(units=256, seed=0, name="encoder.layer.0", compared=True, tags=17, labels=(), move=1.0):
    rng = np.random.default_rng(seed + 1)
    table = neurons(units, seed, name, compared, bool(tags), move)
    features = feature_shares(TAGS[:tags], rng, compared)
    made = tuple((label, feature_shares(("pos", "neg"), rng, compared)) for label in labels)
    return SiteReport(table, features, made)


def feature_shares(names, rng, compared=True):
    if not names:
        return ()
    frequency = np.sort(rng.dirichlet(np.ones(len(names)) * 2))[::-1]
    mass = rng.dirichlet(np.ones(len(names)) * 2, 2)
    if not compared:
        mass[0] = mass[1]
    rows = zip(names, frequency.tolist(), mass.T.tolist(), strict=True)
    return tuple(FeatureShare(name, (f, f), (a, b)) for name, f, (a, b) in rows)


def report(units=256, layers=6, compared=True, tags=17, labels=(), kinds=("encoder.layer.{}",)):
    sites = tuple(
        site(units, 31 * k + layer, kind.format(layer), compared, tags, labels,
             0.3 + 0.7 * layer / max(1, layers - 1) + 0.1 * k)
        for k, kind in enumerate(kinds)
        for layer in range(layers)
    )  # fmt: skip
    titles = ("all-MiniLM-L6-v2", "all-MiniLM-sentiment")
    return ActivationReport(
        titles if compared else (titles[1], titles[1]), "strongest unit a word, by positive part",
        sites, (2000, 2000), (48_000, 48_000),
    )  # fmt: skip


def detail(unit=17, words=20, tags=12, labels=("label",), sentences=True, seed=0):
    rng = np.random.default_rng(seed)
    sides = []
    for side in range(2):
        names = [
            WORDS[(k + 3 * side) % len(WORDS)] + ("" if k < 11 else str(k + side))
            for k in range(words)
        ]
        share = np.sort(rng.dirichlet(np.ones(max(1, words))))[::-1]
        sides.append(tuple(
            Strong(name, TAGS[k % 5], 400 - 19 * k, 2.0 / (k + 1), float(share[k]), 3.0 / (k + 1),
                   f"{k}: {SENTENCE}" if sentences else "")
            for k, name in enumerate(names)
        ))  # fmt: skip
    mass = rng.dirichlet(np.ones(max(1, tags)), 2)
    shares = tuple(Share(TAGS[k], (mass[0, k], mass[1, k]), (90 + k, 80 - k)) for k in range(tags))
    both = tuple(
        (name, (Share("pos", (0.3, 0.9), (3, 9)), Share("neg", (0.7, 0.1), (7, 1))))
        for name in labels
    )
    return NeuronDetail("encoder.layer.0", unit, (sides[0], sides[1]), shares, both)
