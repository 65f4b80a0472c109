"""The command line: thin shells, one file a verb."""
