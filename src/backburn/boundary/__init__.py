"""Boundary search: the distance of each image to the decision boundary, and the class beyond it."""
