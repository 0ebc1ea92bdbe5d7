"""Local web server for reviewing the suspects of a run."""
