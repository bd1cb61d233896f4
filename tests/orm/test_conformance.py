"""The contract, cell by cell: each way to fire a signal, and each thing that is said of it; on every database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import inspect

import aldis
from aldis.context import CURRENT_INSTANCE, CURRENT_MODEL_INSTANCE, EXPLICIT_SPECIFIED_VALUES

CREATED = datetime(2026, 1, 1)  # noqa: DTZ001
NEW = {"name": "Ada", "email_address": "Ada@example.org", "is_verified": False, "created": CREATED}
"""The values of an INSERT of a user called Ada, by column key, its defaults applied."""

KEYWORDS = {
    "pre_save": ["instance", "model_instance", "values", "column_values", "is_update", "is_migration"],
    "pre_update": ["instance", "model_instance", "values", "column_values", "is_update", "is_migration"],
    "pre_delete": ["instance", "model_instance", "injected_filters"],
    "pre_bulk": [
        "instance",
        "operation",
        "raw_values",
        "create_params",
        "update_params",
        "update_fields",
        "ignore_conflicts",
    ],
}
KEYWORDS |= {
    "post_save": [*KEYWORDS["pre_save"], "row_count", "operation_skipped"],
    "post_update": [*KEYWORDS["pre_update"], "row_count", "operation_skipped"],
    "post_delete": ["instance", "model_instance", "row_count", "operation_skipped"],
    "post_bulk": [*KEYWORDS["pre_bulk"], "row_count_create", "row_count_update", "operation_skipped"],
}


@dataclass
class Way:
    """A way to fire the signals of one kind, once."""

    name: str
    kind: str
    act: Callable[[Any], Awaitable[Any]]
    """The user's call; gets the scene."""
    skipped: Any = None
    """Its result when a receiver skips it, or a test of that, or the exception that it raises."""
    one: bool = True
    """It writes one instance, not all of a queryset."""
    by_queryset: bool = False
    """The call is made on the queryset."""
    is_update: bool = False
    stored: bool = False
    """A user is stored already."""
    values: dict[str, Any] = field(default_factory=dict)
    """The values that the call is given, by attribute name."""
    written: dict[str, Any] = field(default_factory=dict)
    """The values that it writes, by column key."""
    bulk: bool = False


async def save_stored(scene):
    scene.user.name = "Eve"
    return await scene.user.save()


async def bulk_update_changed(scene):
    scene.user.name = "Eve"
    return await scene.query.bulk_update([scene.user])


GIVEN = {"name": "Ada"}
WRITTEN = {"name": "Eve"}
ROWS = [
    Way("save a new one", "save", lambda scene: scene.user.save(), written=NEW),
    Way("save, values given", "save", lambda scene: scene.user.save(values=GIVEN), values=GIVEN, written=NEW),
    Way("save a stored one", "save", save_stored, stored=True, is_update=True, written=WRITTEN),
    Way("save, force_insert", "save", lambda scene: scene.user.save(force_insert=True), written=NEW),
    Way("create", "save", lambda scene: scene.query.create(**GIVEN), by_queryset=True, values=GIVEN, written=NEW),
    Way(
        "get_or_create",
        "save",
        lambda scene: scene.query.get_or_create(**GIVEN),
        aldis.SkipOperation,
        by_queryset=True,
        values=GIVEN,
        written=NEW,
    ),
    Way(
        "update_or_create, new",
        "save",
        lambda scene: scene.query.update_or_create(**GIVEN),
        aldis.SkipOperation,
        by_queryset=True,
        values=GIVEN,
        written=NEW,
    ),
    Way(
        "bulk_create of an instance",
        "save",
        lambda scene: scene.query.bulk_create([scene.user]),
        [],
        by_queryset=True,
        written=NEW,
        bulk=True,
    ),
    Way(
        "bulk_create of a dict",
        "save",
        lambda scene: scene.query.bulk_create([GIVEN]),
        [],
        by_queryset=True,
        values=GIVEN,
        written=NEW,
        bulk=True,
    ),
    Way(
        "bulk_create, conflicts ignored",
        "save",
        lambda scene: scene.query.bulk_create([GIVEN], ignore_conflicts=True),
        [],
        by_queryset=True,
        values=GIVEN,
        written=NEW,
        bulk=True,
    ),
    Way(
        "bulk_get_or_create",
        "save",
        lambda scene: scene.query.bulk_get_or_create([GIVEN], unique_fields=["name"]),
        [],
        by_queryset=True,
        values=GIVEN,
        written=NEW,
        bulk=True,
    ),
    Way(
        "bulk_update_or_create, new",
        "save",
        lambda scene: scene.query.bulk_update_or_create([GIVEN], unique_fields=["name"]),
        [],
        by_queryset=True,
        values=GIVEN,
        written=NEW,
        bulk=True,
    ),
    Way(
        "update",
        "update",
        lambda scene: scene.user.update(**WRITTEN),
        stored=True,
        is_update=True,
        values=WRITTEN,
        written=WRITTEN,
    ),
    Way(
        "update_or_create, found",
        "update",
        lambda scene: scene.query.update_or_create(name="Ada", defaults=WRITTEN),
        lambda result: (result[0].name, result[1]) == ("Ada", False),
        stored=True,
        is_update=True,
        values=WRITTEN,
        written=WRITTEN,
    ),
    Way(
        "update of a queryset",
        "update",
        lambda scene: scene.query.update(**WRITTEN),
        0,
        one=False,
        by_queryset=True,
        stored=True,
        is_update=True,
        values=WRITTEN,
        written=WRITTEN,
    ),
    Way(
        "bulk_update of what changed",
        "update",
        bulk_update_changed,
        0,
        by_queryset=True,
        stored=True,
        is_update=True,
        written=WRITTEN,
        bulk=True,
    ),
    Way(
        "bulk_update of a dict",
        "update",
        lambda scene: scene.query.bulk_update([{"id": scene.user.id, "name": "Eve"}], ["name"]),
        0,
        by_queryset=True,
        stored=True,
        is_update=True,
        values={"id": 1, "name": "Eve"},
        written=WRITTEN,
        bulk=True,
    ),
    Way(
        "bulk_update_or_create, found",
        "update",
        lambda scene: scene.query.bulk_update_or_create([{"id": scene.user.id, "name": "Eve"}]),
        [],
        by_queryset=True,
        stored=True,
        is_update=True,
        values={"name": "Eve"},
        written=WRITTEN,
        bulk=True,
    ),
    Way("delete", "delete", lambda scene: scene.user.delete(), 0, stored=True),
    Way(
        "delete of a queryset",
        "delete",
        lambda scene: scene.query.delete(),
        0,
        one=False,
        by_queryset=True,
        stored=True,
    ),
]
WRITES = [way for way in ROWS if way.kind != "delete"]


class Scene:
    """A table of users, with the user that a way begins with."""

    def __init__(self, models, way: Way) -> None:
        self.models = models
        self.way = way
        self.signals = models.Base.meta.signals
        self.query = models.User.query
        self.user: Any = None

    async def begin(self) -> None:
        self.user = self.models.User(**({} if "values given" in self.way.name else GIVEN))
        if self.way.stored or "force_insert" in self.way.name:
            await self.user.save()
        if "force_insert" in self.way.name:
            await self.models.User.query.delete()
            self.user.id = None

    def act(self) -> Awaitable[Any]:
        return self.way.act(self)

    def on(self, name: str, receiver, **options) -> None:
        self.signals[name].connect(receiver, self.models.User, weak=False, **options)

    @property
    def pre(self) -> str:
        return f"pre_{self.way.kind}"

    @property
    def post(self) -> str:
        return f"post_{self.way.kind}"

    async def rows(self) -> list[dict[str, Any]]:
        return await self.models.stored()

    async def names(self) -> list[str]:
        """A query's answer now, in the transaction that is open."""
        return [row["name"] for row in await self.query.order_by("id").values("name")]

    def state(self) -> tuple[Any, ...]:
        """All that SQLAlchemy knows of the user."""
        state = inspect(self.user)
        values = {name: value for name, value in state.dict.items() if name != "_sa_instance_state"}
        history = {attribute.key: tuple(attribute.history) for attribute in state.attrs}
        return state.key, values, history, state.modified


@pytest_asyncio.fixture
async def scene(models, way):
    scene = Scene(models, way)
    await scene.begin()
    return scene


def ways(some):
    return pytest.mark.parametrize("way", some, ids=lambda way: way.name)


@ways(ROWS)
async def test_sender_and_keywords(scene, way) -> None:
    seen = []

    async def receiver(sender, **kwargs):
        seen.append((sender, list(kwargs)))

    scene.on(scene.pre, receiver)
    scene.on(scene.post, receiver)
    await scene.act()
    User = scene.models.User
    assert seen == [(User, KEYWORDS[scene.pre]), (User, KEYWORDS[scene.post])]


@ways(ROWS)
async def test_instance_and_model_instance(scene, way) -> None:
    seen = []

    async def receiver(sender, instance, model_instance):
        seen.append((instance, model_instance))

    scene.on(scene.pre, receiver)
    scene.on(scene.post, receiver)
    await scene.act()
    assert len(seen) == 2
    assert seen[0] == seen[1]
    instance, model_instance = seen[0]
    if way.by_queryset:
        assert isinstance(instance, aldis.QuerySet)
        assert instance.model is scene.models.User
    else:
        assert instance is model_instance
    assert isinstance(model_instance, scene.models.User) if way.one else model_instance is None


@ways(WRITES)
async def test_values_and_flags(scene, way) -> None:
    seen = []

    async def receiver(sender, values, is_update, is_migration):
        seen.append((dict(values), is_update, is_migration))

    scene.on(scene.pre, receiver)
    scene.on(scene.post, receiver)
    await scene.act()
    expected = {**way.values, "id": scene.user.id} if "id" in way.values else way.values
    assert seen == [(expected, way.is_update, False)] * 2


@ways(WRITES)
async def test_column_values_before_and_after(scene, way) -> None:
    seen = []

    async def receiver(sender, column_values):
        seen.append(dict(column_values))

    scene.on(scene.pre, receiver)
    scene.on(scene.post, receiver)
    await scene.act()
    (row,) = await scene.rows()
    assert seen[0] == way.written
    assert seen[1] == (way.written if way.is_update else row)


@ways(WRITES)
async def test_change_of_column_values_is_written_and_shown(scene, way) -> None:
    shown = []

    async def before(sender, column_values):
        column_values["email_address"] = "changed"

    async def after(sender, model_instance, column_values):
        shown.append((column_values["email_address"], model_instance.mail if model_instance else "changed"))

    scene.on(scene.pre, before)
    scene.on(scene.post, after)
    await scene.act()
    assert [row["email_address"] for row in await scene.rows()] == ["changed"]
    assert shown == [("changed", "changed")]


@ways(WRITES)
async def test_column_that_there_is_not_is_refused(scene, way) -> None:
    async def before(sender, column_values):
        column_values["email_adress"] = "x"

    scene.on(scene.pre, before)
    stored = await scene.rows()
    with pytest.raises(
        TypeError, match="'email_adress' in column_values is no column of User. Did you mean 'email_add"
    ):
        await scene.act()
    assert await scene.rows() == stored


@ways(ROWS)
async def test_pre_comes_before_the_sql_and_post_after_it(scene, way) -> None:
    seen = []

    async def receiver(sender):
        seen.append(await scene.names())

    scene.on(scene.pre, receiver)
    scene.on(scene.post, receiver)
    before = await scene.names()
    await scene.act()
    after = await scene.names()
    assert before != after
    assert seen == [before, after]


@ways(ROWS)
async def test_row_count(scene, way) -> None:
    seen = []

    async def after(sender, row_count, operation_skipped):
        seen.append((row_count, operation_skipped))

    scene.on(scene.post, after)
    await scene.act()
    assert seen == [(1, False)]


@ways(ROWS)
async def test_skip_operation(scene, way) -> None:
    seen = []

    async def skip(sender):
        raise aldis.SkipOperation

    async def never(sender):
        raise AssertionError("a receiver after one that skips")

    async def after(sender, row_count, operation_skipped):
        seen.append((row_count, operation_skipped))

    scene.on(scene.pre, skip)
    scene.on(scene.pre, never)
    scene.on(scene.post, after)
    stored = await scene.rows()
    if isinstance(way.skipped, type):
        with pytest.raises(way.skipped):
            await scene.act()
    elif callable(way.skipped):
        assert way.skipped(await scene.act())
    else:
        assert await scene.act() == way.skipped
    assert seen == [(0, True)]
    assert await scene.rows() == stored


@ways(ROWS)
@pytest.mark.parametrize("when", ["pre", "post"])
async def test_receiver_that_raises_undoes_row_and_instance(scene, way, when) -> None:
    async def failing(sender):
        raise ValueError("no")

    async def never(sender):
        raise AssertionError("a receiver after one that raised")

    name = getattr(scene, when)
    scene.on(name, failing)
    scene.on(name, never)
    stored = await scene.rows()
    if way.name in {"save a stored one", "bulk_update of what changed"}:
        scene.user.name = "Eve"  # it is pending before the call, and has to be after it
    before = scene.state()
    with pytest.raises(ValueError, match="no") as caught:
        await scene.act()
    assert f"failing of the signal {name!r}, sender" in caught.value.__notes__[0]
    assert await scene.rows() == stored
    assert scene.state() == before


@ways(ROWS)
@pytest.mark.parametrize("when", ["pre", "post"])
async def test_inside_a_transaction_only_the_operation_is_undone(scene, way, when) -> None:
    async def log_and_fail(sender):
        await scene.models.Log.query.create(text="gone")
        raise ValueError("no")

    async with scene.models.database.transaction():
        await scene.models.Log.query.create(text="kept")
        with getattr(scene.signals, getattr(scene, when)).connected_to(log_and_fail, scene.models.User):
            with pytest.raises(ValueError, match="no"):
                await scene.act()
        await scene.models.Log.query.create(text="kept too")
    assert [row["text"] for row in await scene.models.stored(scene.models.Log)] == ["kept", "kept too"]
    names = [row["name"] for row in await scene.rows()]
    assert names == (["Ada"] if way.stored else [])


@ways(ROWS)
async def test_receivers_own_queries_share_the_transaction(scene, way) -> None:
    async def log(sender):
        await scene.models.Log.query.create(text="before")
        await scene.models.Log.query.bulk_create([{"text": "many"}, {"text": "more"}])

    async def fail(sender):
        await scene.models.Log.query.filter(text="before").update(text="after")
        raise ValueError("no")

    scene.on(scene.pre, log)
    with getattr(scene.signals, scene.post).connected_to(fail, scene.models.User):
        with pytest.raises(ValueError, match="no"):
            await scene.act()
    assert await scene.models.stored(scene.models.Log) == []


@ways(ROWS)
async def test_context_variables(scene, way) -> None:
    seen = []

    async def receiver(sender, instance, model_instance):
        named = EXPLICIT_SPECIFIED_VALUES.get()
        seen.append((CURRENT_INSTANCE.get() is instance, CURRENT_MODEL_INSTANCE.get() is model_instance, named))

    scene.on(scene.pre, receiver)
    scene.on(scene.post, receiver)
    await scene.act()
    named = None if way.kind == "delete" else set(way.values)
    assert seen == [(True, True, named)] * 2
    assert (CURRENT_INSTANCE.get(), CURRENT_MODEL_INSTANCE.get(), EXPLICIT_SPECIFIED_VALUES.get()) == (None,) * 3


@ways(ROWS)
async def test_receiver_that_waits_for_the_commit(scene, way) -> None:
    heard = []

    async def tell(sender):
        heard.append([row["name"] for row in await scene.rows()])

    scene.on(scene.post, tell, after_commit=True)
    with pytest.raises(ValueError, match="no"):
        async with scene.models.database.transaction():
            await scene.act()
            raise ValueError("no")
    assert heard == []
    scene.user = None
    await scene.models.User.query.delete()
    await scene.begin()
    heard.clear()
    async with scene.models.database.transaction():
        await scene.act()
        assert heard == []
    assert heard == [[row["name"] for row in await scene.rows()]]


@ways(ROWS)
async def test_rollback_around_it_puts_the_instance_back(scene, way) -> None:
    if way.name in {"save a stored one", "bulk_update of what changed"}:
        scene.user.name = "Eve"
    stored, before = await scene.rows(), scene.state()
    with pytest.raises(ValueError, match="no"):
        async with scene.models.database.transaction():
            await scene.act()
            raise ValueError("no")
    assert await scene.rows() == stored
    assert scene.state() == before


@ways(ROWS)
async def test_plain_functions_and_receivers_of_anybody_are_called_in_order(scene, way) -> None:
    called = []

    def plain(sender):
        called.append("plain")

    async def anybody(sender):
        called.append("anybody")

    async def last(sender):
        called.append("last")

    signal = scene.signals[scene.post]
    scene.on(scene.post, plain)
    signal.connect(anybody, weak=False)
    scene.on(scene.post, last)
    await scene.act()
    assert called == ["plain", "anybody", "last"]


@ways(ROWS)
async def test_own_signal_of_the_class_is_fired_instead(scene, way) -> None:
    called = []

    async def never(sender):
        raise AssertionError("the class has its own signal")

    scene.on(scene.pre, never)
    own = aldis.Signal()
    setattr(scene.models.User.meta.signals, scene.pre, own)

    @own.connect
    async def rewired(sender):
        called.append(sender)

    await scene.act()
    assert called == [scene.models.User]


BULK = [way for way in ROWS if way.bulk]


@ways(BULK)
async def test_bulk_signals_say_what_was_asked_and_done(scene, way) -> None:
    seen = []

    async def receiver(sender, **kwargs):
        seen.append((sender, kwargs))

    scene.on("pre_bulk", receiver)
    scene.on("post_bulk", receiver)
    await scene.act()
    User = scene.models.User
    (sender, before), (_, after) = seen
    assert (sender, list(before), list(after)) == (User, KEYWORDS["pre_bulk"], KEYWORDS["post_bulk"])
    assert isinstance(before["instance"], aldis.QuerySet)
    assert before["operation"] == way.name.replace(",", " ").split()[0]
    assert len(before["raw_values"]) == 1
    assert before["ignore_conflicts"] is (way.name == "bulk_create, conflicts ignored")
    assert before["update_fields"] == (["name"] if way.name == "bulk_update of a dict" else None)
    assert after == {
        **before,
        "row_count_create": int(way.kind == "save"),
        "row_count_update": int(way.kind == "update"),
        "operation_skipped": False,
    }


@ways(BULK)
async def test_bulk_that_is_skipped(scene, way) -> None:
    seen = []

    async def skip(sender):
        raise aldis.SkipOperation

    async def never(sender):
        raise AssertionError("no row was written")

    async def after(sender, row_count_create, row_count_update, operation_skipped):
        seen.append((row_count_create, row_count_update, operation_skipped))

    scene.on("pre_bulk", skip)
    scene.on("post_bulk", after)
    scene.on(scene.pre, never)
    scene.on(scene.post, never)
    stored = await scene.rows()
    assert await scene.act() == way.skipped
    assert seen == [(0, 0, True)]
    assert await scene.rows() == stored


@ways(BULK)
@pytest.mark.parametrize("name", ["pre_bulk", "post_bulk"])
async def test_bulk_receiver_that_raises_undoes_everything(scene, way, name) -> None:
    async def failing(sender):
        raise ValueError("no")

    scene.on(name, failing)
    if way.name == "bulk_update of what changed":
        scene.user.name = "Eve"
    stored, before = await scene.rows(), scene.state()
    with pytest.raises(ValueError, match="no"):
        await scene.act()
    assert await scene.rows() == stored
    assert scene.state() == before


@ways([way for way in BULK if way.values and way.name != "bulk_update of a dict"])
async def test_bulk_receiver_edits_the_rows_before_they_are_read(scene, way) -> None:
    async def edit(sender, raw_values):
        raw_values[0] = {**raw_values[0], "mail": "edited"}

    scene.on("pre_bulk", edit)
    await scene.act()
    assert [row["email_address"] for row in await scene.rows()] == ["edited"]
