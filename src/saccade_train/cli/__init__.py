"""The workshop's verbs of the command line; one file a verb."""
