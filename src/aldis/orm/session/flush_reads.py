"""The reads of one flush: the old values that ``changes`` tells, and the values that the database made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.ext.asyncio import async_session
from sqlalchemy.orm import InstanceState
from sqlalchemy.util import greenlet_spawn

from ...dispatch.on_request import together
from ..mapping.instance_state import changed
from ..mapping.table import TableMapping
from ..saving.firing import Asked
from ..saving.row_changes import Changes

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session, UOWTransaction

    from ..saving.rows_of_keys import Reader
    from .row import Heard, Row

__all__ = ["FlushReads"]

T = TypeVar("T")


class FlushReads:
    """The reads of one flush, which derives from this.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.context: UOWTransaction | None = None
        """SQLAlchemy's own object of the flush, which its events get."""
        self.asynchronous = async_session(session)
        self.heard: dict[type[Any], Heard | None] = {}
        self.saved: dict[InstanceState[Any], Row | dict[str, Any]] = {}
        """The rows to insert and update; of one that is plainly new, its column values alone."""
        self.old_values: dict[InstanceState[Any], dict[str, Any]] = {}
        """Old values that were read for ``changes``, by attribute name."""

    def changes_of(
        self,
        heard: Heard,
        kind: str,
        states: list[InstanceState[Any]],
        rows: list[dict[str, Any]],
        callers: list[Collection[str]] | None = None,
        is_update: bool = False,
    ) -> Changes | None:
        """Return the :class:`Changes` of rows, if a receiver asks."""
        asked = heard.asked.get((kind, is_update))
        if asked is None:
            return None
        changes = Changes(heard.mapping, asked, states, rows, is_update, self.reader_of(heard), callers)
        changes.stored = {number: self.old_values.get(state, {}) for number, state in enumerate(states)}
        return changes

    async def read_old_values(self, states: list[InstanceState[Any]]) -> None:
        """Read the old values that are not known of stored instances, of those of one class at once."""
        if not any(heard is not None and heard.asked for heard in self.heard.values()):
            return
        for model in dict.fromkeys(state.class_ for state in states):
            heard = self.heard[model]
            stored = [state for state in states if state.class_ is model and state.key is not None]
            if heard is None or not heard.asked or not stored:
                continue
            rows = [changed(heard.mapping, state) for state in stored]
            for row in filter(None, rows):
                row.update(dict.fromkeys(key for key, _ in heard.mapping.onupdates if key not in row))
            asked = Asked(None, together([asked.after for asked in heard.asked.values()]))
            changes = Changes(heard.mapping, asked, stored, rows, True, self.reader_of(heard))
            await changes.keep()
            self.old_values.update((stored[number], values) for number, values in changes.stored.items())

    def reader_of(self, heard: Heard) -> Reader:
        """Return a function that reads where the rows of a class are written."""

        async def read(statement: Select[Any]) -> Sequence[Any]:
            def run() -> Sequence[Any]:
                connection = self.session.connection(bind_arguments={"mapper": heard.mapping.mapper})
                return connection.execute(statement).all()

            return await self.call(run)

        return read

    async def completed(self, mapping: TableMapping, state: InstanceState[Any]) -> dict[str, Any]:
        """Return the column values of a new row."""
        column_values: dict[str, Any] = self.saved[state]  # type: ignore[assignment]
        await self.complete(mapping, state, column_values, is_update=False)
        return column_values

    async def complete(
        self, mapping: TableMapping, state: InstanceState[Any], column_values: dict[str, Any], is_update: bool
    ) -> None:
        """Give column values the row as it is in the database now, read if the flush has not."""
        wanted: list[tuple[str, str]] = list(mapping.columns)
        if is_update:
            wanted = [(mapping.attributes[key], key) for key in column_values]
            if column_values:
                made = [mapping.key_of[column] for column in mapping.made_on_update]
                wanted += [(mapping.attributes[key], key) for key in made]
        unknown = [name for name, _ in wanted if name in state.expired_attributes]
        if unknown:
            await self.call(self.session.refresh, state.obj(), unknown)
        values = state.dict
        column_values.update({key: values[name] for name, key in wanted if name in values})

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call a method of the session."""
        if self.asynchronous is None:
            return function(*args)
        return await greenlet_spawn(function, *args)
