"""A config and a data set become a run folder."""
