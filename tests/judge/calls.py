"""The calls that are judged: as aldis makes each, and as a plain session of SQLAlchemy does the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from .outcomes import Play
    from .pairs import Spec

__all__ = ["CALLS", "Call"]

ALL_RECEIVERS = ("", "hear", "set", "raise", "skip")


@dataclass(frozen=True)
class Call:
    """A call on rows."""

    name: str
    ours: Callable[[Play], Awaitable[object]]
    theirs: Callable[[Play], Awaitable[object]]
    stored: str = "none"
    """Which of the rows are stored already: none, half (those of even tags), or all."""
    changes: bool = False
    """The rows' changes are part of it."""
    is_one_by_one: bool = False
    """It is made once for each row."""
    receivers: tuple[str, ...] = ALL_RECEIVERS
    """The actions of its receivers."""
    weight: int = 1
    """How often it is drawn, beside the others."""
    is_statement: bool = False
    """It is a statement, and the receivers' calls are not compared."""
    only: Callable[[Spec], bool] = lambda spec: True
    """Tells whether it can be made with a class and a table."""


def in_batches(play: Play) -> dict[str, Any]:
    return {} if play.example.batch_size is None else {"batch_size": play.example.batch_size}


# New rows.


async def create(play: Play) -> None:
    for tag in play.tags:
        created = await play.model(tag).query.create(**play.values(tag))
        if created is not None:
            play.instances[tag] = created


async def save(play: Play) -> None:
    for tag in play.tags:
        await play.new(tag).save()


def new_in_part(play: Play, tag: int) -> dict[str, Any]:
    """Make the instance of a row with every other value; return the rest."""
    values = play.values(tag)
    later = {name: values.pop(name) for name in list(values)[1::2]}
    play.instances[tag] = play.model(tag)(**values)
    return later


async def save_with_values(play: Play) -> None:
    for tag in play.tags:
        later = new_in_part(play, tag)
        await play.instances[tag].save(values=later)


async def add_with_values(play: Play) -> None:
    for tag in play.tags:
        later = new_in_part(play, tag)
        for name, value in later.items():
            setattr(play.instances[tag], name, value)
        await play.add([play.instances[tag]])


async def save_in_transaction(play: Play) -> None:
    async with play.court.database.transaction():
        for tag in play.tags:
            await play.new(tag).save()


async def bulk_create(play: Play) -> None:
    await play.side.base.query.bulk_create([play.new(tag) for tag in play.tags], **in_batches(play))


async def bulk_create_mappings(play: Play) -> None:
    created = await play.side.base.query.bulk_create((play.values(tag) for tag in play.tags), **in_batches(play))
    play.instances = {instance.tag: instance for instance in created}


async def bulk_create_stream(play: Play) -> None:
    rows = (play.new(tag) for tag in play.tags)
    async with play.side.base.query.bulk_create_stream(rows, **in_batches(play)) as batches:
        async for _ in batches:
            pass


async def bulk_create_ignore(play: Play) -> None:
    # An instance whose row was passed over is as it was.
    await play.side.base.query.bulk_create([play.new(tag) for tag in play.tags], ignore_conflicts=True)


async def add_each(play: Play) -> None:
    for tag in play.tags:
        await play.add([play.new(tag)])


async def add_all(play: Play) -> None:
    await play.add([play.new(tag) for tag in play.tags])


async def add_in_turn(play: Play) -> None:
    async with play.session() as session:
        for tag in play.tags:
            instance = play.new(tag)
            if play.before(instance):
                session.add(instance)
                await session.flush()
                play.after(instance)
        await session.commit()


async def add_ignoring(play: Play) -> None:
    async with play.session() as session:
        for tag in play.tags:
            instance = play.new(tag)
            if not play.before(instance):
                continue
            try:
                async with session.begin_nested():
                    session.add(instance)
                    await session.flush()
            except IntegrityError as error:
                if not any(words in str(error.orig) for words in ("UNIQUE", "duplicate key", "Duplicate entry")):
                    raise
                continue
            play.after(instance)
        await session.commit()


async def add_in_session(play: Play) -> None:
    """Add to a session of SQLAlchemy's, which fires the signals of aldis's classes."""
    async with play.session() as session:
        session.add_all([play.new(tag) for tag in play.tags])
        await session.commit()


async def insert_many(play: Play) -> None:
    async with play.session() as session:
        await session.execute(insert(play.side.base), [play.values(tag) for tag in play.tags])
        await session.commit()


async def insert_returning(play: Play) -> None:
    async with play.session() as session:
        rows = [play.values(tag) for tag in play.tags]
        found = await session.scalars(insert(play.side.base).returning(play.side.base), rows)
        play.instances = {instance.tag: instance for instance in found}
        await session.commit()


async def insert_values(play: Play) -> None:
    async with play.session() as session:
        for tag in play.tags:
            await session.execute(insert(play.side.base).values(**play.values(tag)))
        await session.commit()


# New rows that are changed afterwards.


async def save_again(play: Play) -> None:
    for tag in play.tags:
        await play.new(tag).save()
        await play.changed(tag).save()


async def add_again(play: Play) -> None:
    for tag in play.tags:
        await play.add([play.new(tag)])
        await play.add([play.changed(tag)])


async def bulk_again(play: Play) -> None:
    await play.side.base.query.bulk_create([play.new(tag) for tag in play.tags])
    await play.side.base.query.bulk_update([play.changed(tag) for tag in play.tags])


async def add_all_again(play: Play) -> None:
    await play.add([play.new(tag) for tag in play.tags])
    await play.add([play.changed(tag) for tag in play.tags])


# Stored rows.


async def save_stored(play: Play) -> None:
    for tag in play.tags:
        await play.changed(tag).save()


async def update_instance(play: Play) -> None:
    for tag in play.tags:
        await play.instances[tag].update(**play.changes(tag))


async def bulk_update(play: Play) -> None:
    await play.side.base.query.bulk_update([play.changed(tag) for tag in play.tags], **in_batches(play))


async def change_each(play: Play) -> None:
    for tag in play.tags:
        await play.add([play.changed(tag)])


async def change_named(play: Play) -> None:
    for tag in play.tags:
        await play.add([play.changed(tag, in_place=False)])


async def change_all(play: Play) -> None:
    await play.add([play.changed(tag) for tag in play.tags])


async def change_in_session(play: Play) -> None:
    async with play.session() as session:
        session.add_all([play.changed(tag) for tag in play.tags])
        await session.commit()


async def change_modified(play: Play) -> None:
    """Tell of the instances that SQLAlchemy calls modified: of others a flush writes nothing."""
    async with play.session() as session:
        instances = [play.changed(tag) for tag in play.tags]
        session.add_all(instances)
        taken = [instance for instance in instances if session.is_modified(instance) and play.before(instance)]
        await session.flush()
        for instance in taken:
            play.after(instance)
        await session.commit()


async def delete_instance(play: Play) -> None:
    for tag in play.tags:
        await play.instances[tag].delete()


async def delete_each(play: Play) -> None:
    for tag in play.tags:
        instance = play.instances[tag]
        if play.before(instance):
            async with play.session() as session:
                await session.delete(instance)
                await session.flush()
                play.after(instance)
                await session.commit()


async def delete_all(play: Play) -> None:
    taken = [play.instances[tag] for tag in play.tags if play.before(play.instances[tag])]
    async with play.session() as session:
        for instance in taken:
            await session.delete(instance)
        await session.flush()
        for instance in taken:
            play.after(instance)
        await session.commit()


async def delete_in_session(play: Play) -> None:
    async with play.session() as session:
        for tag in play.tags:
            await session.delete(play.instances[tag])
        await session.commit()


async def others_delete_first(play: Play) -> None:
    """Delete the first row on another connection."""
    first = play.side.base.__table__
    async with play.court.plain.begin() as connection:
        keys = list(await connection.scalars(select(next(iter(first.primary_key))).where(first.c.tag == 0)))
        for table in reversed(play.side.row_tables):
            await connection.execute(delete(table).where(next(iter(table.primary_key)).in_(keys)))


async def update_of_gone(play: Play) -> None:
    await others_delete_first(play)
    await save_stored(play)


async def change_of_gone(play: Play) -> None:
    await others_delete_first(play)
    await change_each(play)


# Statements on many stored rows: the changes are those of the first row.


async def query_update(play: Play) -> None:
    await play.side.base.query.filter(play.side.base.tag >= 1).update(**play.changes(0))


async def update_where(play: Play) -> None:
    async with play.session() as session:
        await session.execute(update(play.side.base).where(play.side.base.tag >= 1).values(**play.changes(0)))
        await session.commit()


async def update_by_key(play: Play) -> None:
    async with play.session() as session:
        keys = [key.key for key in play.side.mapper.primary_key]
        rows = [{**{key: getattr(play.instances[tag], key) for key in keys}, **play.changes(tag)} for tag in play.tags]
        await session.execute(update(play.side.base), rows)
        await session.commit()


async def query_delete(play: Play) -> None:
    await play.side.base.query.filter(play.side.base.tag >= 1).delete()


async def delete_where(play: Play) -> None:
    async with play.session() as session:
        await session.execute(delete(play.side.base).where(play.side.base.tag >= 1))
        await session.commit()


# Rows that are found or created: every other one is stored already.


async def bulk_get_or_create(play: Play) -> None:
    rows = [play.values(tag) for tag in play.tags]
    found = await play.side.base.query.bulk_get_or_create(rows, unique_fields=[play.example.lookup], **in_batches(play))
    play.instances = {instance.tag: instance for instance in found}


async def bulk_update_or_create(play: Play) -> None:
    rows = [play.values(tag) for tag in play.tags]
    found = await play.side.base.query.bulk_update_or_create(
        rows, unique_fields=[play.example.lookup], **in_batches(play)
    )
    play.instances = {instance.tag: instance for instance in found}


async def get_or_create(play: Play) -> None:
    for tag in play.tags:
        values = play.values(tag)
        lookup = {play.example.lookup: values.pop(play.example.lookup)}
        instance, _ = await play.model(tag).query.get_or_create(values, **lookup)
        play.instances[instance.tag] = instance


async def update_or_create(play: Play) -> None:
    for tag in play.tags:
        values = play.values(tag)
        lookup = {play.example.lookup: values.pop(play.example.lookup)}
        instance, _ = await play.model(tag).query.update_or_create(values, **lookup)
        play.instances[instance.tag] = instance


def finding(*, updates: bool, together: bool) -> Callable[[Play], Awaitable[object]]:
    """Return a function that does as the four above, row by row."""

    async def find(play: Play) -> None:
        found: dict[int, Any] = {}
        tags = [[tag] for tag in play.tags] if not together else [list(play.tags)]
        play.instances = {}
        for part in tags:
            async with play.session() as session:
                for tag in part:
                    instance = await play.find_or_add(session, tag, updates=updates)
                    if instance is not None:
                        found[instance.tag] = instance
                await session.commit()
        play.instances = found

    return find


def has_simple_key(spec: Spec) -> bool:
    return "id" in spec.classes.attributes


def is_one_table(spec: Spec) -> bool:
    return not spec.classes.has_several_tables


def is_one_class(spec: Spec) -> bool:
    return len(spec.classes.models) == 1


HEARD = ("", "hear")
TWICE = ("", "hear", "set", "raise")
"""No skips: a row that was not stored is not there to be changed, and the changes of a skipped row are dropped."""
FINDING = ("", "hear", "set")

CALLS = {
    call.name: call
    for call in [
        Call("create", create, add_each, is_one_by_one=True, weight=2),
        Call("save", save, add_each, is_one_by_one=True, weight=2),
        Call("save_with_values", save_with_values, add_with_values, is_one_by_one=True, receivers=TWICE),
        Call("save_in_transaction", save_in_transaction, add_in_turn),
        Call("bulk_create", bulk_create, add_all, weight=4),
        Call("bulk_create_mappings", bulk_create_mappings, add_all, only=is_one_class),
        Call("bulk_create_stream", bulk_create_stream, add_all),
        Call("bulk_create_ignore", bulk_create_ignore, add_ignoring, receivers=HEARD),
        Call("session.add_all", add_in_session, add_all),
        Call("insert, rows", insert_many, insert_many, receivers=HEARD, is_statement=True, only=is_one_class),
        Call(
            "insert, returning",
            insert_returning,
            insert_returning,
            receivers=HEARD,
            is_statement=True,
            only=is_one_class,
        ),
        Call(
            "insert, values",
            insert_values,
            insert_values,
            receivers=HEARD,
            is_one_by_one=True,
            is_statement=True,
            only=is_one_class,
        ),
        Call("save, save again", save_again, add_again, changes=True, is_one_by_one=True, receivers=TWICE),
        Call("bulk_create, bulk_update", bulk_again, add_all_again, changes=True, receivers=TWICE),
        Call("save a stored one", save_stored, change_each, "all", True, True),
        Call("update", update_instance, change_named, "all", True, True, TWICE),
        Call("bulk_update", bulk_update, change_all, "all", True, weight=2),
        Call("session, changes", change_in_session, change_modified, "all", True, receivers=TWICE),
        Call("delete", delete_instance, delete_each, "all", is_one_by_one=True),
        Call("session.delete", delete_in_session, delete_all, "all"),
        Call("save a gone one", update_of_gone, change_of_gone, "all", True, True, HEARD, only=has_simple_key),
        Call(
            "query.update",
            query_update,
            update_where,
            "all",
            True,
            receivers=HEARD,
            is_statement=True,
            only=is_one_table,
        ),
        Call(
            "update, where",
            update_where,
            update_where,
            "all",
            True,
            receivers=HEARD,
            is_statement=True,
            only=is_one_table,
        ),
        Call(
            "update, rows",
            update_by_key,
            update_by_key,
            "all",
            True,
            receivers=HEARD,
            is_statement=True,
            only=is_one_class,
        ),
        Call("query.delete", query_delete, delete_where, "all", receivers=HEARD, is_statement=True, only=is_one_table),
        Call("delete, where", delete_where, delete_where, "all", receivers=HEARD, is_statement=True, only=is_one_table),
        Call(
            "bulk_get_or_create",
            bulk_get_or_create,
            finding(updates=False, together=True),
            "half",
            receivers=FINDING,
            only=is_one_class,
        ),
        Call(
            "bulk_update_or_create",
            bulk_update_or_create,
            finding(updates=True, together=True),
            "half",
            receivers=FINDING,
            only=is_one_class,
        ),
        Call(
            "get_or_create",
            get_or_create,
            finding(updates=False, together=False),
            "half",
            is_one_by_one=True,
            receivers=FINDING,
        ),
        Call(
            "update_or_create",
            update_or_create,
            finding(updates=True, together=False),
            "half",
            is_one_by_one=True,
            receivers=FINDING,
        ),
    ]
}
