"""Activations: missing, surplus, other slopes, caps, axes and approximations."""
