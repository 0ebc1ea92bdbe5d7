"""Readers of labeled images, one module per kind of source."""
