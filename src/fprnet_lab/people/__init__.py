"""Rendered pedestrians, by day and in near infrared."""
