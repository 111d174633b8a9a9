"""Models of this process, opened as if they were files."""
