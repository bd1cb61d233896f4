"""Whether anybody may listen to the signals of relations.

A flush asks before it looks at a collection: as long as nobody has connected a receiver to one of these signals, and no
class has another signal in the place of one, it costs a look at a set.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CONNECTED", "OF_RELATIONS", "note_connection"]

OF_RELATIONS: Final = ("pre_relation_add", "post_relation_add", "pre_relation_remove", "post_relation_remove")
"""The signals of relations."""

CONNECTED: Final[set[str]] = set()
"""Those that a receiver was connected to, and those that a class has replaced. One that is here too long costs a look,
no more."""


def note_connection(name: str) -> None:
    """Take note that somebody may listen to a signal from now on, if it is one of relations.

    Example:
        >>> note_connection("post_save")
        >>> "post_save" in CONNECTED
        False
    """
    if name in OF_RELATIONS:
        CONNECTED.add(name)
