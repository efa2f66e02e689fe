"""Super-resolution (SRCNN): networks, training, rewriting a data set, scoring."""
