"""From what the user names or gives to a model that can be traced."""
