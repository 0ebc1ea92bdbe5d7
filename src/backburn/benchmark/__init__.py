"""Grids of attacks and defences, and the tables made from them."""
