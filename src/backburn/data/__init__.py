"""Images and labels in, uint8 batches out."""
