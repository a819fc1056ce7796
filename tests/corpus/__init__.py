"""Hostile, malformed, boundary and valid tokens and requests, and the tests that run them.

The cases are data with expectations; they know nothing of the verifier's inside. A package
(not loose files), because its `requests` module must not shadow the library of that name.
"""
