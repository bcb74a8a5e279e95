"""Padding, stride, dilation, groups, multipliers and transposed convolutions."""
