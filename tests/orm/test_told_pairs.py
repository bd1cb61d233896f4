"""Whatever changes relations, sessions and ``relation()`` in any mix, the pairs that are told of are the rows."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linked import linked_on
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.attributes import instance_state

import aldis

NUMBERS = st.integers(0, 2)
SIDES = st.sampled_from(["posts", "tags", "people"])
SOME = st.lists(NUMBERS, max_size=3, unique=True)

CALLS = st.tuples(
    st.just("relation"), SIDES, NUMBERS, st.sampled_from(["add", "ignore", "remove", "set", "clear"]), SOME
)
CHANGES = st.tuples(st.sampled_from(["append", "remove", "assign", "delete", "new", "flush"]), SIDES, NUMBERS, SOME)
SESSIONS = st.tuples(
    st.just("session"), st.lists(st.one_of(CHANGES, CALLS), min_size=1, max_size=5), st.frozensets(SIDES), st.booleans()
)
PROGRAMS = st.lists(st.one_of(CALLS, SESSIONS), min_size=1, max_size=5)

COLLECTION = {"posts": "tags", "tags": "posts", "people": "friends"}
OTHERS = {"posts": "tags", "tags": "posts", "people": "people"}


class World:
    """The models, what was told once it was committed, and what the tables have to be."""

    def __init__(self, linked, skips) -> None:
        self.linked = linked
        self.models = {"posts": linked.Post, "tags": linked.Tag, "people": linked.Person}
        self.pairs = {"post_tag": set(), "person_friend": set()}
        for kind in ("add", "remove"):
            for model in self.models.values():
                model.meta.signals[f"post_relation_{kind}"].connect(
                    self.receiver(kind == "add"), model, weak=False, after_commit=True
                )

        for model in self.models.values() if skips else ():
            model.meta.signals.pre_relation_add.connect(self.skip, model)
            model.meta.signals.pre_relation_remove.connect(self.skip, model)

    def skip(self, sender, instance, related):
        """Skip what is about the last of two."""
        if key_of(instance) in {2, "1"} and (related is None or key_of(related[0]) in {1, 3, "0"}):
            raise aldis.SkipOperation

    def receiver(self, is_added):
        def note(sender, instance, relation, related, secondary, row_count, operation_skipped):
            if operation_skipped:
                assert row_count == 0
                return
            known = self.pairs[secondary.name]
            own = key_of(instance)
            is_second = relation in {"posts", "friend_of"}
            if related is None:
                gone = {pair for pair in known if pair[is_second] == own}
                assert row_count == len(gone)
                known -= gone
                return
            assert row_count == len(related)
            for each in related:
                pair = (key_of(each), own) if is_second else (own, key_of(each))
                assert (pair in known) is not is_added, "told twice, or of what was not there"
                (known.add if is_added else known.discard)(pair)

        return note

    async def begin(self):
        """Make three posts, tags and people that nothing links."""
        linked = self.linked
        for known in self.pairs.values():
            known.clear()
        async with linked.database.engine.begin() as connection:
            for table in reversed(linked.Base.metadata.sorted_tables):
                await connection.execute(table.delete())
            for number in range(3):
                await connection.execute(linked.Post.__table__.insert(), {"id": number + 1, "title": ""})
                await connection.execute(linked.Tag.__table__.insert(), {"space": "s", "word": str(number)})
                await connection.execute(linked.Person.__table__.insert(), {"id": number + 1, "name": ""})

    def key(self, side, number):
        return ("s", str(number)) if side == "tags" else number + 1

    async def find(self, side, number):
        return await self.models[side].query.get_or_none(pk=self.key(side, number))

    async def call(self, side, number, method, others, find):
        owner = await find(side, number)
        related = [each for other in others if (each := await find(OTHERS[side], other)) is not None]
        if owner is None:
            return
        relation = owner.relation(COLLECTION[side])
        if method == "set":
            await relation.set(related)
        elif method == "clear":
            await relation.clear()
        elif method == "ignore":
            await relation.add(*related, ignore_conflicts=True)
        else:
            await getattr(relation, method)(*related)

    async def session(self, steps, loaded, commits):
        async with self.linked.database.session(expire_on_commit=False) as session:

            async def find(side, number):
                model = self.models[side]
                options = [selectinload(getattr(model, COLLECTION[side]))] * (side in loaded)
                return await session.get(model, self.key(side, number), options=options)

            for step in steps:
                if step[0] == "relation":
                    await self.call(*step[1:], find)
                else:
                    await self.change(session, find, *step)
            await (session.commit() if commits else session.rollback())

    async def change(self, session, find, kind, side, number, others):
        if kind == "flush":
            await session.flush()
            return
        owner = await find(side, number)
        if kind == "new" and owner is None:
            key = self.key(side, number)
            owner = self.models[side](**({"space": key[0], "word": key[1]} if side == "tags" else {"id": key}))
            session.add(owner)
        if owner is None or instance_state(owner).deleted or owner in session.deleted:
            return
        if kind == "delete":
            await session.delete(owner)
            return
        name = COLLECTION[side]
        if name not in instance_state(owner).dict:
            await session.refresh(owner, [name])
        related = [each for other in others if (each := await find(OTHERS[side], other)) is not None]
        related = [each for each in related if each not in session.deleted]
        collection = getattr(owner, name)
        if kind == "assign":
            setattr(owner, name, set(related) if side == "tags" else related)
        for each in related:
            if kind == "remove" and each in collection:
                collection.remove(each)
            elif kind in {"append", "new"} and each not in collection:
                (collection.add if side == "tags" else collection.append)(each)

    async def run(self, program):
        await self.begin()
        for step in program:
            try:
                if step[0] == "relation":
                    await self.call(*step[1:], self.find)
                else:
                    await self.session(*step[1:])
            except (SQLAlchemyError, aldis.ConfigurationError):
                pass  # undone, and nothing of it told
            assert await self.stored() == self.pairs, step

    async def stored(self):
        linked = self.linked
        tags = linked.post_tag
        async with linked.database.engine.connect() as connection:
            posts = (await connection.execute(select(tags.c.post_id, tags.c.word))).all()
            people = (await connection.execute(linked.friends.select())).all()
        return {"post_tag": set(map(tuple, posts)), "person_friend": set(map(tuple, people))}


def key_of(instance):
    """Return the last of an instance's key, which is alone in its class here."""
    return instance_state(instance).dict["word" if hasattr(type(instance), "word") else "id"]


@pytest.mark.parametrize("skips", [False, True])
def test_told_pairs_are_the_rows(url, skips) -> None:
    examples = 50 if "sqlite" in url else 15
    with asyncio.Runner() as runner:
        manager = linked_on(url)
        world = World(runner.run(manager.__aenter__()), skips)

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(PROGRAMS)
        def check(program) -> None:
            runner.run(world.run(program))

        try:
            check()
        finally:
            runner.run(manager.__aexit__(None, None, None))
