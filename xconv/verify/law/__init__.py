"""Where float64 is not float64: constants that a framework rounds to float32, each proven on the very step."""
