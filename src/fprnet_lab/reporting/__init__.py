"""Scores, training histories and rankings become pages and pictures of a report."""
