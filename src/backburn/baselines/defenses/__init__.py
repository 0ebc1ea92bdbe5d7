"""Defenses of the literature, one in each file."""
