"""Opening a model that somebody else saved: what the file is, which network, which weights."""
