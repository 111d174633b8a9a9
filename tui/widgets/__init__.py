"""The parts of the screen, one a file; each is given values and knows no backend."""
