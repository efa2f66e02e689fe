"""What a generated set looks like on disk in each layout: which pictures, which lists."""
