"""Redis, where an answer of it is lost on the way."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
import servers
from redis.asyncio import Redis
from shops import recorded, shop_on
from test_brokers import BROKERS, receiving, until

from aldis import relay
from aldis.relay.brokers import transport_to
from aldis.signals import post_save, post_update

URL = os.environ.get(*BROKERS["redis"])


class Line:
    """A proxy before Redis, which loses the first answer that has an event in it, and the connection with it."""

    def __init__(self) -> None:
        self.lost = 0
        self.tasks: set[asyncio.Task] = set()
        """Held here: the loop holds tasks by weak references, and a collection would end one that waits."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        to = urlsplit(URL)
        theirs, ours = await asyncio.open_connection(to.hostname, to.port)
        asking = asyncio.create_task(self.forward(reader, ours))
        try:
            while data := await theirs.read(65536):
                if b"__data__" in data and not self.lost:
                    self.lost += 1
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            asking.cancel()
            ours.close()
            writer.close()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    @asynccontextmanager
    async def open(self):
        async with await asyncio.start_server(self.serve, "127.0.0.1", 0) as server:
            try:
                yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            finally:
                for task in self.tasks:
                    task.cancel()
                await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def shop(tmp_path, name):
    to = urlsplit(URL)
    if not servers.answers(to.hostname, to.port) and os.environ.get("CI") != "true":
        pytest.skip(f"no answer from {URL} (ALDIS_TEST_REDIS_URL)")
    async with shop_on(f"sqlite+aiosqlite:///{tmp_path}/shop.db", name) as found:
        yield found


@pytest.mark.parametrize("is_last", [False, True], ids=["one of its key follows", "nothing follows"])
async def test_event_whose_answer_is_lost_comes_again_and_in_order(shop, name, is_last) -> None:
    got, line = [], Line()

    @relay.receiver([post_save, post_update], f"{name}_User", name=f"{name}_r", database=shop.database)
    async def receive(sender, instance):
        got.append(instance.points)

    async with line.open() as url, receiving(url):
        user = await shop.User.query.create(name="Ada", points=0)
        await relay.Relay(shop.database, URL).pass_all()
        await until(lambda: line.lost)
        if not is_last:
            await user.update(points=1)
            await relay.Relay(shop.database, URL).pass_all()
        await until(lambda: len(got) == 2 - is_last)
    assert got == ([0] if is_last else [0, 1])


async def test_event_does_not_overtake_one_that_was_given_out_and_has_not_arrived(shop, name) -> None:
    got, begun, go_on = [], asyncio.Event(), asyncio.Event()

    @relay.receiver([post_save, post_update], f"{name}_User", name=f"{name}_r", database=shop.database)
    async def receive(sender, instance):
        begun.set()
        await go_on.wait()
        got.append(instance.points)

    user = await shop.User.query.create(name="Ada", points=0)
    for points in (1, 2):
        await user.update(points=points)
    first, *others = await recorded(shop.database)
    transport = transport_to(URL)
    async with receiving(URL) as app, transport.open(), Redis.from_url(URL) as client:
        await transport.publish([first])
        await begun.wait()
        for event in others:
            await transport.publish([event])
        (stream,) = [each async for each in client.scan_iter(f"aldis:{name}_User:*") if await client.xlen(each)]
        (reader,) = await client.xinfo_consumers(stream, f"{name}_r")
        # As if the answer had gone to the receiver's process, and its connections had been cut.
        await client.xreadgroup(f"{name}_r", reader["name"], {stream: ">"}, count=1)
        await app.broker._connection.connection_pool.disconnect()
        go_on.set()
        await until(lambda: len(got) == 3)
    assert got == [0, 1, 2]
