"""Methods compared on the same victims: means with intervals, ranks and cost."""
