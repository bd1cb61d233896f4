"""The rows of a secondary table that a class is mapped to, in a flush: told of as instances of that class.

SQLAlchemy writes these rows itself, by the keys alone. ``Links`` has them told of here. The values that receivers of
the class's ``pre_save`` set go into SQLAlchemy's INSERT.
"""

from __future__ import annotations

from functools import partial
from itertools import compress, groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import Insert, event, select
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...errors import ConfigurationError
from ..mapping.instance_state import detach
from ..mapping.plan import plan_of
from ..saving.association import instance_of
from .row import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from ..mapping.many_to_many import Link
    from .flush import Flush
    from .row import Heard

__all__ = ["LinkedRows"]


class LinkedRows:
    """The rows of secondary tables in one flush.

    Args:
        flush: The flush.
    """

    def __init__(self, flush: Flush) -> None:
        self.flush = flush
        self.inserted: list[tuple[Row, InstanceState[Any], Link, object]] = []
        """The rows to insert, each with the two instances that it links."""
        self.deleted: list[Row] = []
        self.held: list[Any] = []
        """Instances that were read into the session for the signals of their deletion."""
        self.watched: set[Connection] = set()

    async def before_insert(self, heard: Heard, state: InstanceState[Any], link: Link, other: object) -> bool:
        """Fire ``pre_save`` of a row; tell whether a receiver skips it."""
        known = {**link.own.known(state), **link.others.known(instance_state(other))}
        instance = instance_of(heard.model, known)
        own: InstanceState[Any] = instance_state(instance)
        plan = plan_of(heard.mapping, own.dict)
        column_values = plan.column_values(own.dict)
        unknown = [key for key in self.keys_of(link) if key not in known]  # of an instance that is new, too
        for key in unknown:
            column_values.pop(key, None)
        row = Row(heard, own, "save", None, column_values, plan.filled)
        row.is_linked = True
        await self.flush.emit_before(row)
        if not row.skipped:
            now = plan_of(heard.mapping, own.dict).column_values(own.dict)  # receivers may have set attributes
            column_values.clear()
            column_values.update((key, value) for key, value in now.items() if key not in unknown)
            self.inserted.append((row, state, link, other))
        return row.skipped

    async def before_delete(
        self, heard: Heard, state: InstanceState[Any], link: Link, related: Sequence[object]
    ) -> list[object]:
        """Fire ``pre_delete`` of the rows that link instances; return the related ones whose rows a receiver skips."""
        session, mapping = self.flush.session, heard.mapping
        columns = link.others.columns
        by_key: dict[tuple[Any, ...], object] = {
            link.others.key_of(instance_state(each)) or (): each for each in related
        }
        before = set(map(id, session.identity_map.values()))
        found: list[Any] = []
        for among in link.others.among([*by_key]):
            statement = select(heard.model).where(*link.conditions(state), among)
            found += await self.flush.call(lambda statement: session.scalars(statement).unique().all(), statement)
        self.held += [each for each in found if id(each) not in before]
        skipped = []
        for each in found:
            row = Row(heard, instance_state(each), "delete", None, {})
            row.is_linked = True
            await self.flush.emit_before(row)
            if row.skipped:
                key = tuple(getattr(each, mapping.attributes[column.key]) for column in columns)
                skipped += [by_key[key]] if key in by_key else []
            else:
                self.deleted.append(row)
        return skipped

    @staticmethod
    def keys_of(link: Link) -> list[str]:
        """Return the keys of the columns that link."""
        return [*link.own.keys, *link.others.keys]

    async def watch(self, there: Sequence[bool]) -> None:
        """Give the INSERT statements of SQLAlchemy's flush the values that receivers have set.

        Args:
            there: Of each row, whether it is still to be inserted.
        """
        session = self.flush.session
        self.inserted = list(compress(self.inserted, there))
        for mapper in {link.relationship.mapper for _, _, link, _ in self.inserted}:
            connection = await self.flush.call(partial(session.connection, bind_arguments={"mapper": mapper}))
            if connection not in self.watched:
                self.watched.add(connection)
                event.listen(connection, "before_execute", self.before_execute, retval=True)

    def unwatch(self) -> None:
        """Remove the listeners of :meth:`watch`."""
        while self.watched:
            event.remove(self.watched.pop(), "before_execute", self.before_execute)

    def before_execute(
        self, connection: Connection, statement: Any, many: Any, one: Any, _options: Any
    ) -> tuple[Any, Any, Any]:
        """Add to the rows of an INSERT; rows with other columns than the last have a statement of their own before."""
        links = {id(link.secondary): link for _, _, link, _ in self.inserted}
        if not isinstance(statement, Insert) or id(statement.table) not in links:
            return statement, many, one
        keys = self.keys_of(links[id(statement.table)])
        known = {self.key(state, link, other): row.column_values for row, state, link, other in self.inserted}
        rows = [
            {**known.get((id(statement.table), *(values.get(key) for key in sorted(keys))), {}), **values}
            for values in many or [one]
        ]
        groups = [list(group) for _, group in groupby(sorted(rows, key=sorted), key=sorted)]
        inserted, self.inserted = self.inserted, []  # the statements in the loop come by here, too
        try:
            for group in groups[:-1]:
                connection.execute(statement, group)
        finally:
            self.inserted = inserted
        return (statement, groups[-1], {}) if len(groups[-1]) > 1 else (statement, [], groups[-1][0])

    def key(self, state: InstanceState[Any], link: Link, other: object) -> tuple[Any, ...]:
        """Return the table and the key of a row, whose instances have theirs by now."""
        values = {**link.own.known(state), **link.others.known(instance_state(other))}
        return id(link.secondary), *(values.get(key) for key in sorted(self.keys_of(link)))

    async def after(self) -> None:
        """Give the instances the values of their rows, and hand the rows over to the signals after."""
        self.unwatch()
        for row, state, link, other in self.inserted:
            row.column_values.update(link.own.known(state))
            row.column_values.update(link.others.known(instance_state(other)))
            await self.complete(row, link)
            detach(row.heard.mapping, row.state, row.column_values)
            self.flush.done.append(row)
        self.flush.done += self.deleted

    async def complete(self, row: Row, link: Link) -> None:
        """Read the values that the database has filled in.

        Raises:
            ConfigurationError: The row is not there.
        """
        mapping, session = row.heard.mapping, self.flush.session
        missing = [column for column in mapping.made_on_insert if column.key not in row.column_values]
        if not missing:
            return
        columns = [*link.own.columns, *link.others.columns]
        statement = select(*missing).where(*(column == row.column_values[column.key] for column in columns))
        mapper = mapping.mapper

        def run() -> Any:
            return session.connection(bind_arguments={"mapper": mapper}).execute(statement).first()

        found = await self.flush.call(run)
        if found is None:
            raise ConfigurationError(f"{mapping.table} has no row of {row.column_values!r}, which was just inserted.")
        row.column_values.update((column.key, value) for column, value in zip(missing, found, strict=True))

    def let_go(self) -> None:
        """Take deleted instances that were read for the signals out of the session."""
        session = self.flush.session
        for each in self.held:
            if each in session:
                session.expunge(each)
        self.held.clear()
