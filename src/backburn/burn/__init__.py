"""BURN, one file a phase; `burn.py` reads like the paper."""
