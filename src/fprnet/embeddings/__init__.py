"""A model and images become a features file."""
