"""The report of a run of any size, served to a browser on the same machine."""
