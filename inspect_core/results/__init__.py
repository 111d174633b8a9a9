"""What a comparison found, in the shapes that people and programs want."""
