"""Test suites for attacks, defenses and detectors, ours and your own."""
