"""Images on disk become batches."""
