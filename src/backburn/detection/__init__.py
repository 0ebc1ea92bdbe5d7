"""From boundary distances to evidence, suspects, and the verdict on the whole case."""
