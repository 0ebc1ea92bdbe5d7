"""Loading, decoding, sampling and exporting labeled images."""
