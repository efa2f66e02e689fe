"""Predictions become one number to minimise."""
