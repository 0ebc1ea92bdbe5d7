"""Open model files that others saved, safely: find the weights and build the network for them."""
