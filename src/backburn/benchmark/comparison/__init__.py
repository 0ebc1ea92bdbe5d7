"""Methods beside each other: over the same victims, with intervals, ranks and what they cost."""
