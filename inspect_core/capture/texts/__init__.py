"""Texts to run a model over: lines, TSV, CSV or JSON lines, read in order, never held whole."""

from inspect_core.capture.texts.reading import TextColumns, Texts, look_at_texts, open_texts
from inspect_core.capture.texts.source import Sample, TextSource

__all__ = ["Sample", "TextColumns", "TextSource", "Texts", "look_at_texts", "open_texts"]
