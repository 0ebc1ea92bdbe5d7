"""Detectors and defenses of the literature, with the same two interfaces as ours."""
