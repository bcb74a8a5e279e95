"""Recurrent layers of several levels or two directions as one step for each."""
