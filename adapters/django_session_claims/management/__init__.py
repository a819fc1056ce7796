"""The command line in Django; no server loads it."""
