"""``python -m aldis``: the command line."""

from __future__ import annotations

import argparse
import sys


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m aldis", description="Signals for async SQLAlchemy models.")
    commands = parser.add_subparsers(required=True, metavar="command")
    bench = commands.add_parser("bench", help="print what a send costs on this machine")
    bench.add_argument("--json", action="store_true", help="the core that runs alone, as JSON")
    options = parser.parse_args()
    try:
        from .bench import run
    except ModuleNotFoundError as error:
        if error.name != "rich":
            raise
        sys.exit("rich is not installed: pip install 'aldis[cli]'")
    run(options.json)


if __name__ == "__main__":
    main()
