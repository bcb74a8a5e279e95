"""Axes: flatten, reshape, permute, reduce, concatenate, shuffle pixels."""
