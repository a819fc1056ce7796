"""The outside: network, signals, logs, and the shells that drive the core's flows."""
