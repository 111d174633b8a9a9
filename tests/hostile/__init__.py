"""Broken and malicious checkpoints, and the tests that open every one of them in every way."""
