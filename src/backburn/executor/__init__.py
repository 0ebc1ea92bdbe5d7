"""Executors, which run trainings and boundary searches: local, resumable or on a cluster."""
