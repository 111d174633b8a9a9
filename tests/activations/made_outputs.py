"""Outputs and batches made by hand, and what they activate, computed slowly and plainly."""

import numpy as np
import torch

from inspect_core.activations.rule import MAGNITUDE, MAX, POSITIVE, TOP, Rule
from inspect_core.capture.batch import Batch
from inspect_core.capture.output import Output, Site


def made_batch(texts, samples=None, tags=None, labels=(), pad=0):
    """A batch of texts; a text is a list of words, a word `"plain"` or `("word", tokens)`.

    Each row starts with a special token; `pad` positions more than the longest are padded.
    """
    rows, words, of, numbers = [], [], [], []
    for row, text in enumerate(texts):
        tokens = [-1]
        for word in text:
            name, many = (word, 1) if isinstance(word, str) else word
            tokens += [len(words)] * many
            words.append(name)
            of.append(row)
        rows.append(tokens)
        numbers.append(row if samples is None else samples[row])
    longest = max(map(len, rows), default=0) + pad
    word = np.full((len(rows), longest), -1, np.int64)
    attended = np.zeros(word.shape, bool)
    for row, tokens in enumerate(rows):
        word[row, : len(tokens)] = tokens
        attended[row, : len(tokens)] = True
    return Batch(
        ids=np.zeros(word.shape, np.int64),
        attended=attended,
        word=word,
        words=tuple(words),
        tags=tags,
        rows=np.array(of, np.int64),
        samples=np.array(numbers, np.int64),
        labels=tuple(labels) or ((),) * len(rows),
    )


def made_output(values, word, site="m"):
    values = torch.as_tensor(values)
    word = torch.as_tensor(word)
    site = Site(site) if isinstance(site, str) else site
    return Output(site, values, word, word >= 0)


def plainly_activated(values, word, rule: Rule):
    """`{(word, unit): activation}` in float64 and the odd words, from the definition."""
    values = np.asarray(values, np.float64)
    by_word, odd = {}, set()
    for row in range(values.shape[0]):
        for position in range(values.shape[1]):
            if word[row, position] < 0:
                continue
            number = int(word[row, position])
            for unit, value in enumerate(values[row, position]):
                measured = float(value)
                if rule.sign == MAGNITUDE:
                    measured = abs(measured)
                if rule.sign == POSITIVE and measured < 0:
                    measured = 0.0
                if np.isnan(measured) or measured == np.inf:
                    odd.add(number)
                elif measured != -np.inf:
                    units = by_word.setdefault(number, {})
                    units[unit] = max(units.get(unit, -np.inf), measured)
    found = {}
    for number, units in by_word.items():
        strongest = sorted(units.items(), key=lambda item: (-item[1], item[0]))
        if rule.kind == MAX:
            strongest = strongest[:1]
        elif rule.kind == TOP:
            strongest = strongest[: rule.k]
        else:
            strongest = [item for item in strongest if item[1] > rule.threshold]
        found |= {(number, unit): value for unit, value in strongest if value != 0}
    return found, odd
