"""PEFT's rules: which modules a placement hits, and which parameters it adds."""
