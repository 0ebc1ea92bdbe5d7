"""Detectors of poisoned samples of the literature, one a file."""
