"""Adapters on a base: what they change, and by how much, without merging them."""
