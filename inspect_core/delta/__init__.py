"""What changed between two tensors: exact sums that merge, and every metric from them."""
