"""Batches become embeddings."""
