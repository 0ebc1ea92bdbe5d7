"""Detectors of poisoned images of the literature, one in each file."""
