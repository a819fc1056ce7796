"""The Flask adapter: it translates, the core decides."""
