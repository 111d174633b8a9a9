"""What neurons listen to, before and after: the screen, its views, and what starts the passes."""
