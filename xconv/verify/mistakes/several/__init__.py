"""More than one fault at a time: each must be listed once, and none for another's echo."""
