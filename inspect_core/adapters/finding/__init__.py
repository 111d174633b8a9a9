"""From the names in an adapter's file to the weights of a base that they change."""
