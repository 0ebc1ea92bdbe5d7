"""Readers of labeled images, one kind of source a file: folders, tables, archives, arrays, hubs."""
