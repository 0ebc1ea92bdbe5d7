"""The poison detector: candidate groups, test statistics, p-values, and the verdict on a case."""
