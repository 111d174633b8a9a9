"""Freezing and placing adapters, tried before anything is trained; and what to take away."""
