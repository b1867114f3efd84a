"""Hostile accounts beside honest ones, and what the honest ones notice of it."""
