"""Contract suites that any method must pass, ours and a third party's."""
