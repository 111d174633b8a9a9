"""Whether a checkpoint is sound: what it is, what is missing in it, and every value looked at."""
