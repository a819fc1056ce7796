"""The core and what drives it, without any framework."""
