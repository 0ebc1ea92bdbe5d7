"""Ways to plant a backdoor, one attack a file."""
