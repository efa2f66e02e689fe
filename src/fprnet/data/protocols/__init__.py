"""The labels of images become trials: who queries whom, and what is removed."""
