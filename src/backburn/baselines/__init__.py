"""Other people's detectors and defences, under the same two contracts as ours."""
