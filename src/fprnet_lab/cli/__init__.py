"""One module for each command of the laboratory, found by its entry point."""
