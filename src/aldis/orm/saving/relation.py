"""Rows of a secondary table, inserted or deleted for one instance, with the signals of its relation.

``Relation`` (``related.py``) calls this. A plain change is one statement. Where somebody listens to the rows of a class
that is mapped to the secondary table, they are written as instances of it, with their own signals.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, delete, insert, select
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from ...errors import ConfigurationError, NotSavedError, RowMismatchError
from ..database import session_on
from ..databases import MYSQL
from ..databases.sqlite import whole
from ..mapping.many_to_many import Link, committed_items, items, record_of
from ..mapping.relations import not_loaded, related_rows, stored
from ..meta import meta_of
from .association import delete_instances, insert_instances, is_row_heard
from .firing import fire, is_heard, telling
from .shown_links import Relinked, show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from ..database import Using
    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction

__all__ = ["RelationChange"]

KEY: Final = attrgetter("key")
DELETED: Final = attrgetter("was_deleted")

Key = tuple[Any, ...]
"""The values that link an instance, in the order of the secondary table's columns."""


class RelationChange:
    """The writing of one relation of one instance.

    Args:
        instance: The instance that has the collection.
        link: The relationship.
        using: Where to write, instead of the class's database.
        session: The session that holds the instance, if one does.
        associations: The queryset of the class that is mapped to the secondary table, if one is.
    """

    def __init__(
        self,
        instance: object,
        link: Link,
        using: Using | None,
        session: AsyncSession | None,
        associations: QuerySet[Any] | None,
    ) -> None:
        self.instance = instance
        self.link = link
        self.using = using
        self.session = session
        self.associations = associations
        self.model = type(instance)
        self.target = link.relationship.mapper.class_
        self.signals = meta_of(self.model).signals
        self.state = stored(instance, link)
        self.own = link.own.known(self.state)
        self.is_left = False
        """A receiver has skipped the removal."""

    @asynccontextmanager
    async def operation(self) -> AsyncIterator[Transaction]:
        """Begin the operation: a savepoint of the transaction that is open, or one of its own."""
        async with meta_of(self.model).operation(self.using) as transaction:
            yield transaction

    def keys_of(self, related: Iterable[object], method: str) -> dict[Key, Any]:
        """Return instances by the values that link them, each once.

        Raises:
            ConfigurationError: One is none of the class at the other end, or is not loaded.
            NotSavedError: One is not stored.
        """
        instances, target = [*related], self.target
        for each in instances:
            if not isinstance(each, target):
                hint = f": give them one by one, {method}(*...)" if isinstance(each, list | tuple | set) else ""
                raise ConfigurationError(
                    f"{method}() of {self.model.__name__}.{self.link.name} got {each!r}: it takes instances of "
                    f"{target.__name__}{hint}."
                )
        states = list(map(instance_state, instances))
        if not all(map(KEY, states)) or any(map(DELETED, states)):
            lost = next(state.obj() for state in states if state.key is None or state.was_deleted)
            raise NotSavedError(f"{lost!r} cannot be linked: it has not been saved, or was deleted. Save it first.")
        keys = self.link.others.keys_of(instances)
        if None in keys:
            raise not_loaded(instances[keys.index(None)])
        found: dict[Any, Any] = dict(zip(keys, instances, strict=True))
        if len(found) < len(keys):  # of instances of one row the first counts
            found.update(zip(reversed(keys), reversed(instances), strict=True))
        return found

    def refuse_several(self, found: dict[Key, Any], method: str) -> None:
        """Refuse several instances for a relationship that links one.

        Raises:
            ConfigurationError: There are.
        """
        if len(found) > 1 and not self.link.relationship.uselist:
            raise ConfigurationError(
                f"{method}() of {self.model.__name__}.{self.link.name} got {len(found)} instances: with uselist=False "
                "it links one, in the place of the one before."
            )

    def told(self, related: list[Any] | None) -> tuple[Any, ...]:
        """Return the parameters of a signal."""
        return self.instance, self.link.name, None if related is None else [*related], self.link.secondary

    async def add(self, transaction: Transaction, found: dict[Key, Any], ignore_conflicts: bool) -> int:
        """Link instances, with the signals; return the number of rows."""
        related = [*found.values()]
        if not related:
            return 0
        written, count = related, 0
        with telling(self.signals, "relation_add", self.model, self.instance, self.instance, None):
            skipped = await fire(self.signals, "pre_relation_add", self.model, *self.told(related))
            if not skipped:
                written, shown = await self.insert(transaction, found, ignore_conflicts)
                count = len(written)
                self.show(transaction, shown, True)
            told = self.told(written)
            await fire(self.signals, "post_relation_add", self.model, *told, count, skipped)
        return count

    async def insert(
        self, transaction: Transaction, found: dict[Key, Any], ignore_conflicts: bool
    ) -> tuple[list[Any], list[Any]]:
        """Insert rows; return the instances whose rows are new, and all that are linked now."""
        own, names = self.own, self.link.others.keys
        if len(names) == 1:
            rows = [{**own, names[0]: key[0]} for key in found]
        else:
            rows = [{**own, **dict(zip(names, key, strict=True))} for key in found]
        related = [*found.values()]
        associations = self.associations
        if associations is not None and is_row_heard(associations.model, "save"):
            counts, skipped = await insert_instances(transaction, associations, rows, ignore_conflicts)
            new = [each for each, count in zip(related, counts, strict=True) if count]
            return new, [each for number, each in enumerate(related) if number not in skipped]
        if ignore_conflicts:
            return await self.insert_missing(transaction, found, rows), related
        result = await transaction.connection.execute(insert(self.link.secondary), rows)
        if transaction.sync.dialect.supports_sane_multi_rowcount and 0 <= result.rowcount < len(rows):
            raise RowMismatchError(
                f"{self.link.secondary} stored {result.rowcount} of {len(rows)} rows, and told of no error: a trigger, "
                "a rule or an ON CONFLICT clause of the table passed over the others."
            )
        return related, related

    async def insert_missing(
        self, transaction: Transaction, found: dict[Key, Any], rows: list[dict[str, Any]]
    ) -> list[Any]:
        """Insert the rows that are not there, by one statement; return the instances that they link.

        Raises:
            ConfigurationError: The database has no such INSERT.
        """
        connection, table = transaction.connection, self.link.secondary
        dialect = transaction.sync.dialect.name
        columns = self.link.others.columns
        from .upsert import unique_keys  # here, since it brings a driver's module

        is_mysql = dialect in MYSQL
        pair = {column.key for column in (*self.link.own.columns, *columns)}
        is_unique = any(key and key <= pair for key in unique_keys(table))
        if is_mysql or not is_unique:
            # MariaDB's INSERT IGNORE passes over other mistakes, too; and its row count is that of the rows found.
            among = self.link.others.among([*found])
            there = {tuple(row) for each in among for row in await self.rows_of(transaction, each)}
            missing = [number for number, key in enumerate(found) if key not in there]
            if missing:
                statement: Any = insert(table)
                if is_mysql:
                    statement = import_module("sqlalchemy.dialects.mysql").insert(table)
                    statement = statement.on_duplicate_key_update({columns[0].key: columns[0]})
                await connection.execute(statement, [rows[number] for number in missing])
            return [each for key, each in found.items() if key not in there]
        if dialect not in {"sqlite", "postgresql"}:
            raise ConfigurationError(f"{dialect} has no INSERT that ignores conflicts: add the missing ones.")
        statement = import_module(f"sqlalchemy.dialects.{dialect}").insert(table).on_conflict_do_nothing()
        result = await whole(connection, connection.execute(statement.returning(*columns), rows))
        return matching(found, result.all())

    async def rows_of(self, transaction: Transaction, *conditions: ColumnElement[bool]) -> list[Any]:
        """Return the values of the instances that are linked."""
        connection = transaction.connection
        statement = select(*self.link.others.columns).where(*self.link.conditions(self.state), *conditions)
        return list((await whole(connection, connection.execute(statement))).all())

    async def remove(self, transaction: Transaction, found: dict[Key, Any]) -> int:
        """Unlink instances, with the signals; return the number of rows."""
        if not found:
            return 0
        related = [*found.values()]
        count: int | None = 0
        with telling(self.signals, "relation_remove", self.model, self.instance, self.instance, None):
            skipped = await fire(self.signals, "pre_relation_remove", self.model, *self.told(related))
            self.is_left = skipped
            if not skipped:
                removed, kept, count = await self.delete(transaction, found)
                self.show(transaction, [each for each in related if id(each) not in kept], False)
                related = removed
            await fire(self.signals, "post_relation_remove", self.model, *self.told(related), count, skipped)
        return count or 0

    async def delete(self, transaction: Transaction, found: dict[Key, Any]) -> tuple[list[Any], set[int], int | None]:
        """Delete rows; return the instances that they linked, the ids of those that stay linked, and their number."""
        conditions, others = self.link.conditions(self.state), self.link.others
        association = self.link.association
        is_told = is_heard(self.signals["post_relation_remove"], self.model)
        returns = is_told and transaction.sync.dialect.delete_returning
        rows: list[Any] = []
        kept: set[Key] = set()
        count: int | None = 0
        for among in others.among([*found]):
            if association is not None and is_row_heard(association, "delete"):
                returns = True
                deleted, left = await delete_instances(transaction, association, and_(*conditions, among), others.keys)
                rows += deleted
                kept |= left
                number: int | None = len(deleted)
            else:
                statement: Any = delete(self.link.secondary).where(*conditions, among)
                statement = statement.returning(*others.columns) if returns else statement
                number = await self.execute(transaction, statement, rows)
            count = None if count is None or number is None else count + number
        stay = {id(each) for key, each in found.items() if key in kept}
        return matching(found, rows) if returns else [*found.values()], stay, count

    async def execute(self, transaction: Transaction, statement: Any, rows: list[Any]) -> int | None:
        """Run a DELETE, and add the rows that it returns; return the number of rows, if the database tells."""
        connection = transaction.connection
        result = await whole(connection, connection.execute(statement))
        if result.returns_rows:
            returned = result.all()
            rows += returned
            return len(returned)
        return result.rowcount if result.rowcount >= 0 else None

    async def clear(self, transaction: Transaction) -> int:
        """Unlink all instances, with the signals; return the number of rows."""
        if not self.link.is_plain:
            return (await self.replace(transaction, {}))[0]
        count: int | None = 0
        told = self.told(None)
        with telling(self.signals, "relation_remove", self.model, self.instance, self.instance, None):
            skipped = await fire(self.signals, "pre_relation_remove", self.model, *told)
            if not skipped:
                count = await self.delete_all(transaction)
            await fire(self.signals, "post_relation_remove", self.model, *told, count, skipped)
        return count or 0

    async def delete_all(self, transaction: Transaction) -> int | None:
        """Delete all rows of the instance; return their number, if the database tells."""
        conditions = self.link.conditions(self.state)
        association, kept = self.link.association, set[Key]()
        count: int | None
        if association is not None and is_row_heard(association, "delete"):
            names = self.link.others.keys
            deleted, kept = await delete_instances(transaction, association, and_(*conditions), names)
            count = len(deleted)
        else:
            count = await self.execute(transaction, delete(self.link.secondary).where(*conditions), [])
        self.show(transaction, [each for each in self.known() if self.key_of_known(each) not in kept], False)
        return count

    def known(self) -> list[Any]:
        """Return the instances that are known to be linked: of the loaded collection, and of the session."""
        found = items(self.state, self.link.name)
        among = set(map(id, found))
        found += [each for each in committed_items(self.state, self.link.name) if id(each) not in among]
        reverse = self.link.reverse
        if self.session is not None and reverse is not None:
            among = set(map(id, found))
            found += [
                each
                for each in self.session.sync_session
                if isinstance(each, self.target) and id(each) not in among and reverse.key in instance_state(each).dict
            ]
        return found

    def key_of_known(self, instance: object) -> Key:
        """Return the values that link an instance."""
        return self.link.others.key_of(instance_state(instance)) or ()

    async def add_or_replace(self, transaction: Transaction, found: dict[Key, Any], ignore_conflicts: bool) -> int:
        """Link instances, a scalar in the place of the one that is linked; return the number of rows inserted."""
        if self.link.relationship.uselist or not found:
            return await self.add(transaction, found, ignore_conflicts)
        return (await self.replace(transaction, found))[1]

    async def replace(self, transaction: Transaction, found: dict[Key, Any]) -> tuple[int, int]:
        """Link these instances and no others, with the signals; return the numbers of rows deleted and inserted."""
        if self.link.is_plain:
            there: dict[Key, Any] = {tuple(row): None for row in await self.rows_of(transaction)}
        else:
            there = self.keys_of(await self.linked(transaction), "set")
        gone = [key for key in there if key not in found]
        if gone and self.link.is_plain:
            there = self.keys_of(await self.linked(transaction), "set")
        removed = await self.remove(transaction, {key: there[key] for key in gone if key in there})
        if self.is_left and not self.link.relationship.uselist:
            return removed, 0
        new = {key: each for key, each in found.items() if key not in there}
        added = await self.add(transaction, new, False)
        # A collection that was loaded earlier may have others, which are not linked any more, and lack some that are.
        shown = [*committed_items(self.state, self.link.name), *items(self.state, self.link.name)]
        stale = [each for each in shown if instance_state(each).key is not None]
        linked = there.keys() | found.keys()
        self.show(transaction, [each for each in stale if self.key_of_known(each) not in linked], False)
        self.show(transaction, [each for key, each in found.items() if key in there], True)
        return removed, added

    async def linked(self, transaction: Transaction) -> list[Any]:
        """Return the instances that are linked: those of the loaded collection or of the session, where it has them."""
        connection = transaction.connection
        async with session_on(connection) as session:
            statement = related_rows(self.instance, self.link)
            read = list((await whole(connection, session.scalars(statement))).unique().all())
            session.expunge_all()
        known = {instance_state(each).key: each for each in self.known()}
        held: Any = {} if self.session is None else self.session.sync_session.identity_map
        return [known.get(key) or held.get(key) or each for each in read for key in (instance_state(each).key,)]

    def show(self, transaction: Transaction, related: Sequence[Any], is_linked: bool) -> None:
        """Let loaded collections, of both ends, show the rows that were written; a rollback undoes that."""
        link = self.link
        if self.session is not None and is_linked:
            related = [self.in_session(self.session, each) for each in related]
        if related:
            order = [] if is_linked else items(self.state, link.name)
            shown = show(self.state, link.name, related, is_linked)
            if any(shown):
                transaction.scope.add(Relinked(self.state, link.name, shown, is_linked, order))
        if link.reverse is None:
            return
        name = link.reverse.key
        for each in related:
            state = instance_state(each)
            if name in state.dict or record_of(state, name) is not None:
                order = [] if is_linked else items(state, name)
                shown = show(state, name, [self.instance], is_linked)
                if any(shown):
                    transaction.scope.add(Relinked(state, name, shown, is_linked, order))

    def in_session(self, session: AsyncSession, related: Any) -> Any:
        """Return the session's own instance of a row; a detached one joins the session, as in SQLAlchemy's cascade."""
        state: InstanceState[Any] = instance_state(related)
        assert state.key is not None
        held = session.sync_session.identity_map.get(state.key)
        if held is not None:
            return held
        if state.session_id is None and self.link.relationship.cascade.save_update:
            session.add(related)
        return related


def matching(found: dict[Key, Any], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Return the instances of rows, given by their values; all, where a database gives other values back."""
    keys = {tuple(row) for row in rows}
    if keys <= found.keys():
        return [each for key, each in found.items() if key in keys]
    return [*found.values()]
