"""Where a framework's calls are met while a model runs."""
