"""Boundary search: how far each image is from another class."""
