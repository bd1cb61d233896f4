"""Plain sessions, which nobody awaits: plain receivers are called, an async one runs on a loop of its own."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from sqlalchemy import create_engine, delete, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

import aldis
from aldis.signals import LIFECYCLE


@pytest.fixture
def User():
    """Return a model whose signals are its own."""

    class Base(aldis.Model, DeclarativeBase):
        pass

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        age: Mapped[int] = mapped_column(default=7)

    return User


@pytest.fixture
def engine(User, tmp_path):
    """Return an engine with the model's table."""
    engine = create_engine(f"sqlite:///{tmp_path}/test.db")
    User.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_plain_receivers(User, engine) -> None:
    steps = []
    for name in ("pre_save", "post_save", "pre_delete", "post_delete", "pre_update", "post_update"):

        def receiver(sender, instance, name=name):
            steps.append((name, getattr(instance, "name", "queryset")))

        User.meta.signals[name].connect(receiver, weak=False)
    with sessionmaker(engine).begin() as session:
        user = User(name="ada")
        session.add(user)
        session.flush()
        user.name = "eve"
        session.execute(update(User).values(age=8))
        session.delete(user)
    assert steps == [
        ("pre_save", "ada"),
        ("post_save", "ada"),
        ("pre_save", "eve"),  # autoflush, before the statement
        ("post_save", "eve"),
        ("pre_update", "queryset"),
        ("post_update", "queryset"),
        ("pre_delete", "eve"),
        ("post_delete", "eve"),
    ]


def test_async_receiver_runs_to_its_end_on_a_loop_of_its_own(User, engine) -> None:
    seen = []

    @User.meta.signals.pre_save.connect_via(User)
    async def receiver(sender, column_values):
        await asyncio.sleep(0.001)
        seen.append(asyncio.current_task() is not None)
        column_values["age"] = 9

    with Session(engine) as session:
        session.add(User(name="ada"))
        session.commit()
        assert (session.scalar(select(User)).age, seen) == (9, [True])


async def test_async_receiver_inside_a_running_loop_is_refused(User, engine) -> None:
    @User.meta.signals.post_save.connect_via(User)
    async def mail(sender): ...

    with Session(engine) as session:
        session.add(User(name="ada"))
        with pytest.raises(
            aldis.ConfigurationError, match=r"mail is async, .* Use an AsyncSession, or run the session"
        ):
            session.commit()
        session.rollback()
        assert session.scalar(select(User)) is None

    def in_a_thread() -> None:
        with Session(engine) as session:
            session.add(User(name="ada"))
            session.commit()

    await asyncio.to_thread(in_a_thread)


async def test_plain_receiver_inside_a_running_loop(User, engine) -> None:
    seen = []

    @User.meta.signals.post_save.connect_via(User)
    def receiver(sender, instance):
        seen.append(instance.id)

    with Session(engine) as session:
        session.add(User(name="ada"))
        session.commit()
    assert seen == [1]


def test_receiver_that_returns_an_awaitable_is_refused(User, engine) -> None:
    @User.meta.signals.post_save.connect_via(User)
    def receiver(sender):
        return asyncio.sleep(0)

    with Session(engine) as session:
        session.add(User(name="ada"))
        with pytest.raises(aldis.ConfigurationError, match="returned something to wait for"):
            session.commit()


def test_receiver_that_raises(User, engine) -> None:
    @User.meta.signals.post_save.connect_via(User)
    def receiver(sender):
        raise ValueError("no")

    with Session(engine) as session:
        session.add(User(name="ada"))
        with pytest.raises(ValueError, match="no"):
            session.commit()
        session.rollback()
        assert session.scalars(select(User)).all() == []


def test_after_commit(User, engine) -> None:
    heard = []

    @User.meta.signals.post_save.connect_via(User, after_commit=True)
    def hear(sender, column_values):
        heard.append(column_values["name"])

    with Session(engine) as session:
        session.add(User(name="a"))
        with pytest.raises(ValueError, match="no"), session.begin_nested():
            session.add(User(name="b"))
            session.flush()
            raise ValueError("no")
        session.flush()
        assert heard == []
        session.commit()
        assert heard == ["a"]
        session.add(User(name="c"))
        session.flush()
        session.rollback()
    assert heard == ["a"]


def test_own_methods_say_what_to_do(User, engine) -> None:
    with Session(engine) as session:
        user = User(name="ada")
        session.add(user)
        with pytest.raises(
            aldis.ConfigurationError, match=r"belongs to a plain Session: save it with session.commit\(\)"
        ):
            asyncio.run(user.save())


def test_sessions_of_every_kind(User, engine) -> None:
    class MySession(Session):
        pass

    seen = []

    @User.meta.signals.post_save.connect_via(User)
    def receiver(sender, instance):
        seen.append(instance.name)

    for number, make in enumerate([MySession, sessionmaker(class_=MySession), scoped_session(sessionmaker())]):
        session = make(bind=engine)
        session.add(User(name=str(number)))
        session.commit()
        session.close()
    assert seen == ["0", "1", "2"]


def test_legacy_query_fires_like_the_statements(User, engine) -> None:
    seen = []

    @User.meta.signals.post_update.connect_via(User)
    @User.meta.signals.post_delete.connect_via(User)
    def receiver(sender, row_count):
        seen.append(row_count)

    with Session(engine) as session:
        session.add_all([User(name="a"), User(name="b")])
        session.commit()
        session.query(User).update({"age": 1})
        session.query(User).filter_by(name="a").delete()
        session.execute(delete(User))
    assert seen == [2, 1, 1]


def test_context_variables_of_the_caller_reach_receivers(User, engine) -> None:
    request = contextvars.ContextVar("request", default="none")
    seen = []

    @User.meta.signals.pre_save.connect_via(User)
    async def receiver(sender):
        seen.append(request.get())

    request.set("mine")
    with Session(engine) as session:
        session.add(User(name="a"))
        session.commit()
    assert seen == ["mine"]
