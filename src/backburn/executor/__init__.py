"""Who does the heavy things, training and searching the boundary, and what is kept of them."""
