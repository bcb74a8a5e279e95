"""The user's own loading code: what it swaps, transposes, forgets."""
