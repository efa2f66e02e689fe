"""A running Frigate becomes a source of tracks: it detects and follows, we choose and embed."""
