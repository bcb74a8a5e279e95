"""What is joined to what, in which order, and what is shared."""
