"""Embeddings become a gallery that answers who this is, how surely, and why."""
