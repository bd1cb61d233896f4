"""Where in the program receivers were connected: kept as numbers, since to find a line costs more than to connect."""

from __future__ import annotations

import os
from dis import findlinestarts
from types import CodeType, FrameType
from typing import Final

__all__ = ["FEW", "SAME_PLACE", "file_and_line", "place_of"]

FEW: Final = 8
"""Connections of a receiver whose places are kept each; a loop makes many, at one. A place takes as long as 40% of a
connect."""

SAME_PLACE: Final = -1
"""Stands for the place of the connection before."""

HERE: Final = os.path.dirname(__file__)  # noqa: PTH120 - pathlib takes as long to import as all of this package

PLACES: Final[dict[tuple[int, int], int]] = {}
"""The numbers of the places, by the id of the code object and the instruction in it."""

CODES: Final[list[tuple[CodeType, int]]] = []
"""The places by their numbers. A loop that connects a million receivers is one place, and costs one entry."""


def place_of(frame: FrameType | None) -> int:
    """Return the number of the place where a frame is; of a frame inside aldis, where its caller is.

    Finding the line costs more than connecting: it is left to :func:`connections`.
    """
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    if frame is None:
        return SAME_PLACE
    code = frame.f_code
    key = id(code), frame.f_lasti
    found = PLACES.get(key)
    if found is None:
        CODES.append((code, frame.f_lasti))
        found = PLACES[key] = len(CODES) - 1
    return found


def file_and_line(where: int) -> tuple[str, int]:
    """Return the file and the line of a place."""
    code, instruction = CODES[where]
    line = 0
    for start, number in findlinestarts(code):
        if start > instruction:
            break
        line = number or line
    return code.co_filename, line
