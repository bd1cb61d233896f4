"""Statements that go ahead of asyncpg's own messages: asyncpg sees the answers to its own, and no others."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from users import models_on

from aldis.orm.databases.ahead import Ahead
from new_databases import database_on

PARSED, BOUND, SYNC = b"1\0\0\0\4", b"2\0\0\0\4", b"S\0\0\0\4"
RELEASED, BEGUN = b"C\0\0\0\x0cRELEASE\0", b"C\0\0\0\x0eSAVEPOINT\0"
OURS = PARSED + BOUND + RELEASED + PARSED + BOUND + BEGUN
READY = b"Z\0\0\0\5T"
THEIRS = BOUND + b"D\0\0\0\x0b\0\1\0\0\0\1\x31" + b"C\0\0\0\x0fINSERT 0 1\0" + READY
NOTICE = b"N\0\0\0\x0aSINFO\0"
ERROR = b"E\0\0\0\x17SERROR\0C3B001\0Mno\0\0"
STATEMENTS = ["RELEASE SAVEPOINT aldis_1", "SAVEPOINT aldis_1"]


class Wire(asyncio.Transport):
    """A transport that keeps the bytes that are written, and hands on those that come in."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.written = b""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, list_of_data) -> None:
        self.written += b"".join(list_of_data)

    def receive(self, data: bytes, size: int) -> None:
        for start in range(0, len(data), size):
            self.protocol.data_received(data[start : start + size])


class Seen(asyncio.Protocol):
    """asyncpg's place."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def wire(seen) -> Wire:
    return Wire(seen)


SIZES = [1, 3, 7, 1000]
"""Bytes that come at once."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("ours", "notice"),
    [(OURS, b""), (NOTICE + OURS, NOTICE), (PARSED + NOTICE + OURS.removeprefix(PARSED), NOTICE)],
    ids=["no notice", "notice before", "notice between"],
)
def test_answers_are_taken_out_of_the_stream(wire, seen, size, ours, notice) -> None:
    ahead = Ahead(wire, seen)
    ahead.send(STATEMENTS)
    assert not wire.written
    wire.write(b"B-and-so-on" + SYNC)
    assert wire.written.count(SYNC) == 1
    assert wire.written.endswith(b"B-and-so-on" + SYNC)
    wire.receive(ours + THEIRS, size)
    assert seen.data == notice + THEIRS
    assert wire.protocol is seen
    assert ahead.error is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("answered", [b"", PARSED, PARSED + BOUND, PARSED + BOUND + RELEASED + PARSED])
def test_error_of_ours_is_that_of_the_statement_behind_it(wire, seen, size, answered) -> None:
    """The server passes over all messages until asyncpg's Sync: asyncpg gets an error and its end, as of its own."""
    ahead = Ahead(wire, seen)
    ahead.send(STATEMENTS)
    wire.writelines([b"B-and-so-on", SYNC])
    wire.receive(answered + ERROR + READY, size)
    assert seen.data == ERROR + READY
    assert wire.protocol is seen
    assert ahead.refused == len(STATEMENTS) - answered.count(RELEASED)


@pytest.mark.parametrize("size", SIZES)
def test_simple_query_gets_its_own_answer_though_ours_fails(wire, seen, size) -> None:
    """After an error the server passes over a simple query, until there is a Sync."""
    ahead = Ahead(wire, seen)
    ahead.send(STATEMENTS)
    wire.write(b"Q-and-so-on")
    assert wire.written.endswith(SYNC + b"Q-and-so-on")
    theirs = b"C\0\0\0\x0dROLLBACK\0" + READY
    wire.receive(PARSED + BOUND + ERROR + READY + theirs, size)
    assert seen.data == theirs
    assert ahead.error == {"S": "ERROR", "C": "3B001", "M": "no"}
    assert ahead.refused == len(STATEMENTS)


@pytest.mark.parametrize("size", SIZES)
def test_messages_that_asyncpg_did_not_follow_are_sent_alone(wire, seen, size) -> None:
    """asyncpg cannot write a value, so it writes nothing; the savepoint is begun all the same."""
    ahead = Ahead(wire, seen)
    ahead.send(STATEMENTS)
    ahead.flush()
    assert wire.written.endswith(SYNC)
    ahead.send(["SAVEPOINT aldis_2"])
    wire.write(b"B-and-so-on" + SYNC)
    wire.receive(OURS + READY + PARSED + BOUND + BEGUN + THEIRS, size)
    assert seen.data == THEIRS
    assert wire.protocol is seen


BEGIN = b"Q\0\0\0\x0bBEGIN;\0"
IN_TRANSACTION = b"C\0\0\0\x0aBEGIN\0" + READY
BEGIN_DONE = PARSED + BOUND + b"C\0\0\0\x0aBEGIN\0"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [memoryview, bytes])
def test_begin_goes_with_the_first_statement(wire, seen, size, kind) -> None:
    ahead = Ahead(wire, seen)
    ahead.hold_begin()
    wire.write(kind(BEGIN))
    ahead.hold_nothing()
    assert (wire.written, seen.data) == (b"", IN_TRANSACTION)
    ahead.send(["SAVEPOINT aldis_1"])
    wire.write(b"B-and-so-on" + SYNC)
    assert [wire.written.count(each) for each in (b"BEGIN", b"SAVEPOINT", SYNC)] == [1, 1, 1]
    wire.receive(BEGIN_DONE + PARSED + BOUND + BEGUN + THEIRS, size)
    assert seen.data == IN_TRANSACTION + THEIRS
    assert wire.protocol is seen


@pytest.mark.parametrize("message", [b"Q\0\0\0\x2aBEGIN ISOLATION LEVEL SERIALIZABLE;\0", b"P-and-so-on"])
def test_other_message_is_written_at_once(wire, seen, message) -> None:
    """The server may refuse an isolation level, and asyncpg has to hear of that."""
    ahead = Ahead(wire, seen)
    ahead.hold_begin()
    wire.write(message)
    wire.write(BEGIN)
    assert (wire.written, seen.data) == (message + BEGIN, b"")
    assert wire.protocol is seen


def test_begin_that_nobody_has_sent_is_held_no_longer(wire, seen) -> None:
    ahead = Ahead(wire, seen)
    ahead.hold_begin()
    ahead.hold_nothing()
    wire.write(BEGIN)
    assert (wire.written, seen.data) == (BEGIN, b"")


@pytest.mark.parametrize("size", SIZES)
def test_rollback_of_a_transaction_in_which_nothing_was_done(wire, seen, size) -> None:
    ahead = Ahead(wire, seen)
    ahead.hold_begin()
    wire.write(BEGIN)
    wire.write(b"Q-and-so-on")
    assert wire.written.endswith(SYNC + b"Q-and-so-on")
    theirs = b"C\0\0\0\x0dROLLBACK\0" + b"Z\0\0\0\5I"
    wire.receive(BEGIN_DONE + READY + theirs, size)
    assert seen.data == IN_TRANSACTION + theirs
    assert wire.protocol is seen


LOOPS = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop
except ImportError:  # not made for every platform
    pass
else:
    LOOPS["uvloop"] = uvloop.new_event_loop


@pytest.mark.parametrize("loop", LOOPS)
def test_transaction_that_has_failed_refuses_the_next_save(loop) -> None:
    """The RELEASE that is due fails in it: the save raises its error, and waits for no answer that does not come."""

    async def play(url: str) -> None:
        async with models_on(url) as models, asyncio.timeout(30):
            lost = models.User(name="lost")
            with pytest.raises(DBAPIError, match="current transaction is aborted"):
                async with models.database.transaction() as connection:
                    await models.User(name="first").save()
                    with pytest.raises(DBAPIError):
                        await connection.scalar(select(func.no_such_function()))
                    await lost.save()
            assert lost.id is None
            async with models.database.transaction() as connection:
                await lost.save()
                await models.User.query.bulk_create([models.User(name="one"), models.User(name="two")])
                assert await connection.scalar(select(func.count()).select_from(models.User)) == 3

    with database_on("asyncpg") as url, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(play(url))


@pytest.mark.parametrize("loop", LOOPS)
def test_connection_that_the_server_has_closed_is_given_up(loop) -> None:
    async def play(url: str) -> None:
        async with models_on(url) as models, asyncio.timeout(30):
            with pytest.raises(DBAPIError) as caught:
                async with models.database.transaction() as connection:
                    await models.User(name="lost").save()
                    driver = (await connection.get_raw_connection()).driver_connection
                    async with models.database.engine.connect() as other:
                        await other.execute(select(func.pg_terminate_backend(driver.get_server_pid())))
                    while not driver.is_closed():
                        await asyncio.sleep(0.01)
                    await models.User(name="later").save()
            assert caught.value.connection_invalidated
            await models.User(name="kept").save()
            assert [row["name"] for row in await models.stored()] == ["kept"]

    with database_on("asyncpg") as url, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(play(url))


class Stop(Exception):
    """Ends a block."""


@pytest.mark.parametrize("rows", [1, 2, 2000])
@pytest.mark.parametrize("is_saved_before", [False, True])
@pytest.mark.parametrize("loop", LOOPS)
def test_save_after_a_failed_statement_ends_the_inner_block_alone(loop, is_saved_before, rows) -> None:
    """The savepoint of that save is refused, and not rolled back to: as in a session, the outer block goes on."""

    async def play(url: str) -> None:
        async with models_on(url) as models, asyncio.timeout(30):
            lost = [models.User(name=f"lost {number}") for number in range(rows)]
            async with models.database.transaction() as connection:
                await models.User(name="first").save()
                with pytest.raises(DBAPIError, match="current transaction is aborted"):
                    async with models.database.transaction():
                        if is_saved_before:
                            await models.User(name="lost too").save()
                        with pytest.raises(DBAPIError):
                            await connection.scalar(select(func.no_such_function()))
                        await (lost[0].save() if rows == 1 else models.User.query.bulk_create(lost))
                await models.User(name="last").save()
                with pytest.raises(Stop):
                    async with models.database.transaction():
                        await models.User(name="undone").save()
                        raise Stop
            assert sorted(row["name"] for row in await models.stored()) == ["first", "last"]
            assert {user.id for user in lost} == {None}

    with database_on("asyncpg") as url, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(play(url))
