"""``python -m aldis``: the command line."""

from .cli import main

main()
