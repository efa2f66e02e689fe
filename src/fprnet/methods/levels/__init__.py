"""Several levels compared at once, and the baselines that have one: fprnet, agw, one-stream, ..."""
