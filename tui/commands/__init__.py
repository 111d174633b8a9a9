"""The commands that print, for terminals, pipes and scripts."""
