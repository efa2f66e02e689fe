"""One commented YAML file for each preset of super-resolution training."""
