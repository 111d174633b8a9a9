"""What the factors of a change tell exactly, without multiplying them out."""
