"""Pictures of a case, and the numbers beside them."""
