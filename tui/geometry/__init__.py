"""The landscape of representations along the layers: screens, and what starts the passes."""
