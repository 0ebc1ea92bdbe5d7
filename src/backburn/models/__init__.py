"""Built-in networks, inference, and opening and saving of models."""
