"""Backdoor attacks, one per module."""
