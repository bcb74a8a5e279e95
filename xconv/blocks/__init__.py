"""The catalogue: every folder here is a block."""
