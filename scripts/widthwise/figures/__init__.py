"""One module for each figure, and their common style."""
