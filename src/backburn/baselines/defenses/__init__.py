"""Defences of the literature, one a file."""
