"""Scores, training histories and rankings become plots, pictures and one page."""
