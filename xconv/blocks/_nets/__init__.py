"""What the small residual nets share: how stages are laid out, and the head that every one of them ends in."""
