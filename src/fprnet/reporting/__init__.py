"""Scores and training histories become plots."""
