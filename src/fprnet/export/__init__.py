"""A trained model becomes graphs that other programs run."""
