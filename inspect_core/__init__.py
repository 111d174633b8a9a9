"""Inspect checkpoints: structure, differences, and the jobs that compute them. Knows no terminal."""
