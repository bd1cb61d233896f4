"""The command line: ``aldis``, or ``python -m aldis``."""

from __future__ import annotations

from .command_line import CommandLine, main

__all__ = ["CommandLine", "main"]
