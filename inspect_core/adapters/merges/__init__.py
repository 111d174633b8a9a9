"""Whether an adapter was merged into a checkpoint, and how exactly."""
