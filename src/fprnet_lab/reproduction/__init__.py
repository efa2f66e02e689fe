"""The paper's tables, each by one command: published value, ours, difference."""
