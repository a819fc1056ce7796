"""The issuer: sessions, their tokens and their keys. See README.md beside this file."""
