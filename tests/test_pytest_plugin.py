"""The fixture ``signals``: as a fixture here, and in test suites of others."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.dispatch import emitters
from aldis.dispatch.snapshot import Connected
from aldis.signals import LIFECYCLE, post_delete, post_save, pre_delete, pre_save
from aldis.testing import Signals


class Base(aldis.Model, DeclarativeBase): ...


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Admin(User): ...


@pytest.fixture
async def database():
    Base.database = aldis.Database("sqlite+aiosqlite://")
    async with Base.database, Base.database.transaction() as connection:
        await connection.run_sync(Base.metadata.create_all)
        yield Base.database


async def test_what_fired_is_told_in_order_with_its_arguments(signals, database) -> None:
    user = await User.query.create(name="Ada")
    await user.save(values={"name": "Bob"})
    await user.delete()
    assert [each.name for each in signals.all] == [
        "pre_save",
        "post_save",
        "pre_save",
        "post_save",
        "pre_delete",
        "post_delete",
    ]
    (created,) = signals.assert_fired(post_save, User, is_update=False)
    assert created.arguments["column_values"] == {"id": 1, "name": "Ada"}
    signals.assert_fired("post_save", times=2)
    signals.assert_fired(post_save, User, is_update=True, values={"name": "Bob"}, row_count=1)
    signals.assert_not_fired(post_save, Admin)
    signals.assert_not_fired(post_save, is_update=None)
    signals.assert_order((pre_save, User), "post_save", post_delete)
    signals.clear()
    assert signals.fired() == []


async def test_arguments_are_as_they_were_when_it_fired(signals, database) -> None:
    @pre_save.connect_via(User)
    def capitals(sender, column_values) -> None:
        column_values["name"] = column_values["name"].upper()

    await User.query.create(name="Ada")
    (before,) = signals.assert_fired(pre_save)
    (after,) = signals.assert_fired(post_save)
    assert (before.arguments["column_values"]["name"], after.arguments["column_values"]["name"]) == ("Ada", "ADA")


async def test_what_a_receiver_refuses_has_fired(signals, database) -> None:
    @pre_delete.connect_via(User)
    def refuses(sender) -> None:
        raise ValueError("stays")

    user = await User.query.create(name="Ada")
    with pytest.raises(ValueError, match="stays"):
        await user.delete()
    signals.assert_fired(pre_delete, User, times=1)
    signals.assert_not_fired(post_delete)


def test_failure_tells_what_was_wanted_and_what_has_fired(signals) -> None:
    with pytest.raises(AssertionError, match=r"^post_delete\(any sender\) has not fired. Nothing has.$"):
        signals.assert_fired(post_delete)
    emitters.post_delete(post_delete, User, 1, 1, 1, False)
    with pytest.raises(AssertionError) as caught:
        signals.assert_fired(post_delete, User, row_count=2)
    assert str(caught.value) == (
        f"post_delete({__name__}.User, row_count=2) has not fired. What has:\n"
        f"  1. post_delete({__name__}.User, instance=1, model_instance=1, row_count=1, operation_skipped=False)"
    )
    with pytest.raises(AssertionError, match=r"has not fired 2 times, but 1\."):
        signals.assert_fired(post_delete, times=2)
    with pytest.raises(AssertionError, match=r"has fired 1 times\."):
        signals.assert_not_fired("post_delete")
    with pytest.raises(AssertionError, match=r"pre_delete\(any sender\) has not fired after the 1 before it\."):
        signals.assert_order(post_delete, pre_delete)
    with pytest.raises(aldis.SignalError, match=r"'post_dleete' is not recorded. Did you mean 'post_delete'\?"):
        signals.assert_not_fired("post_dleete")


def test_signal_of_ones_own_is_recorded_when_it_is_given(signals) -> None:
    paid = aldis.Signal()
    with pytest.raises(aldis.SignalError, match=r"is not recorded: give it to signals.record\(\)"):
        signals.assert_fired(paid)
    signals.record(paid, name="paid")
    paid.send("shop", amount=5)
    signals.assert_fired("paid", "shop", amount=5)
    signals.assert_fired(paid, times=1)
    with pytest.raises(aldis.SignalError, match=r"cannot record 'paid': a str is no aldis.Signal"):
        signals.record("paid")


def test_signal_is_muted_by_name(signals) -> None:
    seen = []
    post_delete.connect(lambda sender: seen.append("post"), weak=False)
    pre_delete.connect(lambda sender: seen.append("pre"), weak=False)
    with signals.muted("post_delete"):
        emitters.post_delete(post_delete, User, 1, 1, 1, False)
        emitters.pre_delete(pre_delete, User, 1, 1, None)
    assert seen == ["pre"]
    signals.assert_not_fired(post_delete)
    signals.mute(pre_delete)
    emitters.post_delete(post_delete, User, 1, 1, 1, False)
    emitters.pre_delete(pre_delete, User, 1, 1, None)
    assert seen == ["pre", "post"]


def test_receiver_is_muted_by_name(signals) -> None:
    seen = []

    @post_delete.connect_via(User)
    def send_mail(sender) -> None:
        seen.append("mail")

    post_delete.connect(lambda sender: seen.append("other"), weak=False)
    with signals.muted("send_mail"):
        emitters.post_delete(post_delete, User, 1, 1, 1, False)
    emitters.post_delete(post_delete, User, 1, 1, 1, False)
    assert seen == ["other", "mail", "other"]
    signals.assert_fired(post_delete, times=2)
    with pytest.raises(aldis.SignalError, match=r"cannot mute 'send_mial'.*Did you mean '.*send_mail'\?"):
        signals.mute("send_mial")


def kept(sender) -> None: ...


def test_connections_are_those_of_before() -> None:
    post_delete.connect(kept, User)
    try:
        with Signals():
            post_delete.disconnect(kept)
            post_delete.connect(lambda sender: None, User, weak=False)
            post_delete.connect(print, aldis.ANY, weak=False, priority=5)
            post_save.is_muted = True
            assert kept not in post_delete.receivers_for(User)
        assert list(post_delete.receivers_for(User)) == [kept]
        assert not post_save.is_muted
        assert not any(signal.has_receivers_for(Admin) for signal in LIFECYCLE)
    finally:
        post_delete.disconnect(kept)


def test_who_dies_meanwhile_stays_away() -> None:
    signal = aldis.Signal()

    class Sender: ...

    def receiver(sender) -> None: ...

    signal.connect(receiver, Sender)
    connected = Connected(signal)
    signal.disconnect(receiver)
    del receiver, Sender
    gc.collect()
    connected.restore()
    assert not signal.receivers
    assert not signal._weak_senders
    assert not signal.has_receivers_for(aldis.ANY)


SUITE = """
import pytest, aldis
from aldis.dispatch import emitters
from aldis.signals import post_delete

@pytest.mark.anyio
@pytest.mark.parametrize("number", range(6))
async def test_async(signals, number):
    @post_delete.connect_via(str)
    async def receiver(sender, instance):
        import anyio
        await anyio.sleep(0)

    await emitters.post_delete(post_delete, str, number, number, 1, False)
    signals.assert_fired(post_delete, str, instance=number, times=1)

@pytest.mark.parametrize("number", range(6))
def test_plain(signals, number):
    assert signals.all == []
    assert len(post_delete.receivers) == 1
"""


@pytest.mark.parametrize("options", [("-p", "no:asyncio"), ("-n", "2"), ("-p", "no:randomly", "-n", "0")])
def test_suite_of_others_runs_with_anyio_and_xdist(tmp_path, options) -> None:
    (tmp_path / "test_app.py").write_text(textwrap.dedent(SUITE))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 passed" in done.stdout or "12 passed" in done.stdout


def test_the_plugin_imports_nothing_of_aldis_until_it_is_asked() -> None:
    look = "import sys, aldis.pytest_plugin; print('aldis.testing' in sys.modules, 'sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True, text=True)
    assert done.stdout == "False False\n"
