"""BURN: backdoor unlearning via adversarial boundary analysis."""
