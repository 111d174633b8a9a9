"""The plan that a fine-tune evidently used, read off two checkpoints."""
