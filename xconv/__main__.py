"""`python -m xconv`."""

from .cli import main

main()
