"""Built-in networks, and how a model is asked, saved and opened."""
