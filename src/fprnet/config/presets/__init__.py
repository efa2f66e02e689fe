"""One commented YAML file per preset."""
