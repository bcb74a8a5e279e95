"""Running the user's models in float64: torch on a copy, Keras in place for a while and then as it was."""
