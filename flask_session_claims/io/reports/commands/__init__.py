"""What the commands do and tell, for every framework's command line.

A command line parses what was typed, calls one of these, and prints the `Answer` or what the
command ended in. The docstrings of the functions are the commands' help; no framework here.
"""
