"""One run of a side as a list of steps: what each was fed and gave, its settings, and the user's own source line."""
