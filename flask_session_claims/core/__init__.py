"""The framework-neutral core. What may not enter is in README.md beside this file."""
