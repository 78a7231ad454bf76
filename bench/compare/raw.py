"""Placeholder."""
NAME = "raw"
LIMITS = {}
