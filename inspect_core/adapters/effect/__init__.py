"""What an adapter does to the values of a weight, worked out as they are read."""
