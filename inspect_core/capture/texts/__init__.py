"""Texts to run a model over: lines, TSV, CSV or JSON lines, read in order, never held whole."""
