"""Layers of either framework that a node of a graph is."""
