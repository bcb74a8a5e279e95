"""Layers that one side writes itself from bare tensors, in shapes and orders of its own."""
