"""Fast code beside the slow code that says what it computes."""
