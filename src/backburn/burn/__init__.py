"""BURN: one file per phase, put together in `burn.py`."""
