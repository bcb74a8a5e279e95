"""Epsilons, axes, affine parts, groups and statistics."""
