"""What a rendered set looks like on disk in each layout: which files, which lists."""
