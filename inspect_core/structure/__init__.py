"""The module tree: interned structures, their folding, their states."""
