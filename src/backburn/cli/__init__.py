"""The command, one verb a file: each parses, calls, records."""
