"""Two that find or create one row at once: the row is there once, and both get it, whoever was first."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from sqlalchemy.exc import IntegrityError

import aldis


@pytest.fixture
def rival(models):
    """Store a row in a transaction of its own, the first time that a row is about to be inserted."""
    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    heard = []

    async def store(sender, instance, model_instance):
        heard.append(model_instance.name)
        if len(heard) == 1:
            async with aldis.detached():
                await asyncio.create_task(models.User.query.create(name="Bob", mail="rival@example.org"))

    models.User.meta.signals.pre_save.connect(
        store, models.User, when=lambda model_instance: model_instance.mail != "rival@example.org"
    )
    yield heard
    models.User.meta.signals.pre_save.disconnect(store, models.User)


def rows_of(names):
    return [{"name": name, "mail": f"{name}@example.org"} for name in names]


async def test_bulk_get_or_create_that_loses_a_race_looks_again(models, rival) -> None:
    told = []

    async def mail(sender, model_instance):
        told.append(model_instance.name)

    with models.User.meta.signals.post_save.connected_to(mail, models.User):
        models.User.meta.signals.post_save.connect(mail, models.User, after_commit=True)
        found = await models.User.query.bulk_get_or_create(rows_of(["Ada", "Bob", "Cy"]), unique_fields=["name"])
    assert [(user.name, user.mail) for user in found] == [
        ("Ada", "Ada@example.org"),
        ("Bob", "rival@example.org"),
        ("Cy", "Cy@example.org"),
    ]
    assert sorted(told) == ["Ada", "Bob", "Cy"]  # Bob by the rival's own save
    stored = {row["name"]: row["id"] for row in await models.stored()}
    assert stored == {user.name: user.id for user in found}


async def test_bulk_update_or_create_that_loses_a_race_updates(models, rival) -> None:
    updated = []

    async def note(sender, model_instance):
        updated.append(model_instance.name)

    with models.User.meta.signals.post_update.connected_to(note, models.User):
        found = await models.User.query.bulk_update_or_create(rows_of(["Ada", "Bob"]), unique_fields=["name"])
    assert [user.mail for user in found] == ["Ada@example.org", "Bob@example.org"]
    assert updated == ["Bob"]
    stored = {row["name"]: row["email_address"] for row in await models.stored()}
    assert stored == {"Ada": "Ada@example.org", "Bob": "Bob@example.org"}


async def test_instances_of_a_batch_that_lost_are_inserted_after_all(models, rival) -> None:
    ada, bob = (models.User(**row) for row in rows_of(["Ada", "Bob"]))
    found = await models.User.query.bulk_get_or_create([ada, bob], unique_fields=["name"])
    assert found[0] is ada
    assert found[1] is not bob
    assert (found[1].mail, bob.id) == ("rival@example.org", None)
    assert {row["id"] for row in await models.stored()} == {ada.id, found[1].id}


async def test_conflict_of_another_constraint_is_raised_at_once(models) -> None:
    await models.User.query.create(id=7, name="Ada")
    heard = []

    async def note(sender, model_instance):
        heard.append(model_instance.name)

    with models.User.meta.signals.pre_save.connected_to(note, models.User), pytest.raises(IntegrityError):
        await models.User.query.bulk_get_or_create([{"id": 7, "name": "Bob"}], unique_fields=["name"])
    assert heard == ["Bob"]
    assert [row["name"] for row in await models.stored()] == ["Ada"]


async def test_deadlock_of_two_operations_ends_with_the_rows_of_both(models) -> None:
    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    barrier = asyncio.Barrier(2)
    first = set()

    async def meet(sender, model_instance):
        task = asyncio.current_task()
        if task not in first:  # both have their first row's lock when they ask for the other's
            first.add(task)
            await barrier.wait()

    query = models.User.query
    with models.User.meta.signals.post_save.connected_to(meet, models.User):
        answers = await asyncio.gather(
            query.bulk_get_or_create(rows_of(["Ada", "Bob"]), unique_fields=["name"], batch_size=1),
            query.bulk_get_or_create(rows_of(["Bob", "Ada"]), unique_fields=["name"], batch_size=1),
        )
    stored = {row["name"]: row["id"] for row in await models.stored()}
    assert stored.keys() == {"Ada", "Bob"}
    for answer in answers:
        assert {user.name: user.id for user in answer} == stored


async def test_rights_to_insert_and_select_are_enough_to_lose_a_race(models, rival) -> None:
    if models.database.engine.dialect.name != "postgresql":
        pytest.skip("elsewhere a locking read asks for no more rights")
    role = f"aldis_{uuid.uuid4().hex}"
    async with models.database.engine.begin() as connection:
        for each in (
            f"CREATE ROLE {role} LOGIN",
            f'GRANT INSERT, SELECT ON "user" TO {role}',
            f"GRANT USAGE ON SEQUENCE user_id_seq TO {role}",
        ):
            await connection.exec_driver_sql(each)
    other = aldis.Database(models.database.engine.url.set(username=role).render_as_string(hide_password=False))
    try:
        query = models.User.query.using(other)
        bob, is_created = await query.get_or_create(name="Bob", defaults={"mail": "mine"})
        assert (bob.mail, is_created) == ("rival@example.org", False)
        with pytest.raises(IntegrityError):  # of another column than the one that is looked for
            await query.get_or_create(mail="mine", defaults={"name": "Bob"})
    finally:
        await other.dispose()
        async with models.database.engine.begin() as connection:
            await connection.exec_driver_sql(f"DROP OWNED BY {role}")
            await connection.exec_driver_sql(f"DROP ROLE {role}")
