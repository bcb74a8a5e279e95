"""Attention: scale, masks, heads, and where the normalisation stands."""
