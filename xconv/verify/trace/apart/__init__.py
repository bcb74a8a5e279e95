"""Layers that are several steps each."""
