"""Pooling and resizing: kinds, borders, bins, interpolation."""
