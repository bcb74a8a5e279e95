"""What a layer is, and its plain settings."""
