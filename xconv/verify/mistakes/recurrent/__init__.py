"""Recurrent layers: gates, directions, last steps; and embeddings."""
