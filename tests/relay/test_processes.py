"""The command line, as processes: stopped in an orderly way, killed, cut off from the network."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
import uuid

import pytest
import servers
from shops import effects_of

import aldis
from aldis import relay
from ports import free_port, refusing_port


@pytest.fixture
def imported(monkeypatch):
    """Return the text that imports the models of ``warehouse.py``, for a database of the test's own."""
    name = f"w{uuid.uuid4().hex[:12]}"

    def with_database(url):
        monkeypatch.setenv("WAREHOUSE", name)
        monkeypatch.setenv("WAREHOUSE_DATABASE", url)
        return importlib.import_module("warehouse")

    sys.modules.pop("warehouse", None)
    yield with_database
    sys.modules.pop("warehouse", None)


async def prepared(warehouse):
    await relay.create_tables(warehouse.Base.database)
    async with warehouse.Base.database.engine.begin() as connection:
        await connection.run_sync(warehouse.Base.metadata.create_all)
    return warehouse


async def until_received(
    warehouse, count: int, seconds: float = 300, processes: tuple[servers.Process, ...] = ()
) -> None:
    try:
        async with asyncio.timeout(seconds):
            while len(await effects_of(warehouse)) < count:
                await asyncio.sleep(0.1)
    except TimeoutError:
        found, state = len(await effects_of(warehouse)), await relay.status(warehouse.Base.database)
        logs = [f"{each.log} {each.is_running()}\n{each.log.read_text()[-1500:]}" for each in processes]
        raise AssertionError("\n".join([f"{found} of {count} after {seconds} s, {state}", *logs])) from None


async def told(*arguments: str, log, status: int = 0) -> str:
    """Run ``aldis relay`` to its end; return its output."""
    process = servers.Aldis(*arguments, log=log)
    assert process.process is not None
    try:
        assert await asyncio.to_thread(process.process.wait, servers.SECONDS) == status, log.read_text()
    finally:
        process.end()
    return log.read_text()


async def test_processes_share_a_table_of_sqlite_and_one_is_killed(imported, tmp_path) -> None:
    warehouse = await prepared(imported(f"sqlite+aiosqlite:///{tmp_path}/shared.db"))
    Item = warehouse.Item
    runners = [servers.Aldis("run", log=tmp_path / f"run-{number}") for number in range(2)]
    try:
        await Item.query.bulk_create([Item(id=number, number=0, word="new") for number in range(300)])
        await until_received(warehouse, 50)
        runners[0].kill()
        await until_received(warehouse, 300)
        assert runners[1].kill(signal.SIGTERM) == 0
    finally:
        for each in runners:
            each.end()
    assert "stopped:" in (tmp_path / "run-1").read_text()
    found = await effects_of(warehouse)
    assert sorted(found) == [(number, 0) for number in range(300)]
    assert (await relay.status(warehouse.Base.database)).aside == 0
    await warehouse.Base.database.dispose()


async def test_command_line_tells_and_mends(imported, tmp_path, monkeypatch) -> None:
    warehouse = await prepared(imported(f"sqlite+aiosqlite:///{tmp_path}/told.db"))
    Item, name = warehouse.Item, warehouse.NAME
    await Item.query.create(id=7, number=0, word="new")
    said = await told("status", "--json", log=tmp_path / "1")
    assert json.loads(said)["waiting"] == 1
    # The receiver's table is gone: it raises, and its event is given up.
    async with warehouse.Base.database.engine.begin() as connection:
        await connection.run_sync(warehouse.Effect.__table__.drop)
    relay.RECEIVERS[f"{name}_stock"].retries = 0
    assert await relay.Relay(warehouse.Base.database).pass_all() == 1
    letter = json.loads(await told("dead", "--json", log=tmp_path / "2"))
    assert (letter["receiver"], letter["key"], letter["attempts"]) == (f"{name}_stock", "7", 1)
    assert "no such table: effect" in letter["error"]
    assert f"at {name}_stock: OperationalError" in await told("dead", log=tmp_path / "3")
    assert await told("retry", log=tmp_path / "4") == "1 dead letters are tried again\n"
    assert "aside 1, dead 0, waiting 0" in await told("status", log=tmp_path / "5")
    assert await told("forget", "--receiver", f"{name}_stock", log=tmp_path / "6") == f"{name}_stock is forgotten\n"
    said = await told("forget", "--receiver", "nobody", log=tmp_path / "7", status=255)
    assert "no receiver 'nobody' takes events from the table: none does" in said
    said = await told("receive", log=tmp_path / "8", status=255)
    assert "aldis relay receive needs --broker; without a broker, aldis relay run calls the receivers." in said
    said = await told("run", "--receivers", "nowhere", log=tmp_path / "9", status=255)
    assert "--receivers nowhere: there is no module 'nowhere'" in said
    with refusing_port() as port:
        said = await told("run", "--broker", f"nats://127.0.0.1:{port}", log=tmp_path / "10", status=255)
        assert f"no broker answers at 127.0.0.1:{port}" in said
        monkeypatch.setenv("WAREHOUSE_DATABASE", f"postgresql+asyncpg://127.0.0.1:{port}/nothing")
        said = await told("status", log=tmp_path / "11", status=255)
    assert "FAILED: the database does not serve us: " in said
    assert "Traceback" not in said
    await warehouse.Base.database.dispose()


async def test_broker_that_goes_away_while_a_receiver_subscribes_is_said(imported, tmp_path) -> None:
    warehouse = await prepared(imported(f"sqlite+aiosqlite:///{tmp_path}/away.db"))
    await warehouse.Base.database.dispose()
    broker = servers.rabbit(tmp_path / "rabbit")

    async def hang_up_soon(reader, writer) -> None:
        """Hand on the broker's bytes, and hang up when it has let the client in and begun to make its queues."""
        behind, ahead = await asyncio.open_connection("127.0.0.1", broker.port)

        async def hand_on() -> None:
            while data := await reader.read(1000):
                ahead.write(data)
            ahead.transport.abort()

        there = asyncio.create_task(hand_on())
        left = 1500
        try:
            while left > 0 and (data := await behind.read(100)):
                writer.write(data)
                left -= len(data)
        finally:
            there.cancel()
            for each in (writer, ahead):
                each.transport.abort()

    try:
        async with await asyncio.start_server(hang_up_soon, "127.0.0.1", 0) as between:
            port = between.sockets[0].getsockname()[1]
            said = await told("receive", "--broker", f"amqp://127.0.0.1:{port}", log=tmp_path / "log", status=255)
    finally:
        broker.end()
        await asyncio.sleep(0.1)  # what hangs up does so in the next turn of the loop
    assert said.splitlines()[-1].startswith("FAILED: the broker does not serve us (AMQPConnectionError: ")


async def test_prometheus_reads_how_it_goes(imported, tmp_path) -> None:
    warehouse = await prepared(imported(f"sqlite+aiosqlite:///{tmp_path}/metrics.db"))
    port = free_port()
    runner = servers.Aldis("run", "--metrics", str(port), log=tmp_path / "run")

    def read() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    try:
        await warehouse.Item.query.bulk_create([{"id": number, "number": 0, "word": "x"} for number in range(20)])
        async with asyncio.timeout(servers.SECONDS):
            while "aldis_relay_passed_total{aldis_sender=" not in (text := await asyncio.to_thread(read)):
                await asyncio.sleep(0.2)
            while "aldis_relay_waiting" not in text or "aldis_relay_age" not in text:
                text = await asyncio.to_thread(read)
                await asyncio.sleep(0.2)
        assert "aldis_relay_lag_seconds_bucket" in text
        assert "aldis_relay_dead" in text
    finally:
        runner.end()
    await warehouse.Base.database.dispose()


class Network:
    """Hosts of the test's own, in network namespaces: a hub with the servers, and one for each process."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:4]
        self.hub = f"aldis-{self.id}-hub"
        self.hosts: list[str] = []
        self.run("ip", "netns", "add", self.hub)
        self.inside(self.hub, "ip", "link", "set", "lo", "up")
        self.inside(self.hub, "ip", "link", "add", "bridge", "type", "bridge")
        self.inside(self.hub, "ip", "addr", "add", "10.77.0.1/24", "dev", "bridge")
        self.inside(self.hub, "ip", "link", "set", "bridge", "up")

    @staticmethod
    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    def inside(self, host: str, *command: str) -> None:
        self.run("ip", "netns", "exec", host, *command)

    def prefix(self, host: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", host)

    def add(self) -> str:
        """Add a host; return its name."""
        number = len(self.hosts) + 2
        host = f"aldis-{self.id}-{number}"
        self.run("ip", "netns", "add", host)
        self.hosts.append(host)
        ends = ("name", "eth0", "netns", host, "type", "veth", "peer", "name", f"to{number}", "netns", self.hub)
        self.run("ip", "link", "add", *ends)
        self.inside(self.hub, "ip", "link", "set", f"to{number}", "master", "bridge", "up")
        self.inside(host, "ip", "link", "set", "lo", "up")
        self.inside(host, "ip", "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        self.inside(host, "ip", "link", "set", "eth0", "up")
        return host

    def cut(self, host: str, is_cut: bool) -> None:
        """Cut a host off, or let it come back."""
        number = self.hosts.index(host) + 2
        self.inside(self.hub, "ip", "link", "set", f"to{number}", "down" if is_cut else "up")

    def remove(self) -> None:
        for host in (*self.hosts, self.hub):
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


@pytest.fixture
def network():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("hosts of our own need root, and iproute2")
    try:
        found = Network()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    yield found
    found.remove()


@pytest.mark.skipif(aldis.backend == "pure", reason="the core that is built says enough")
async def test_relay_and_receiver_that_are_cut_off_come_back(network, imported, tmp_path) -> None:
    with servers.postgresql("10.77.0.1", network.prefix(network.hub)) as (port, sockets):
        broker = servers.nats(tmp_path / "nats", "10.77.0.1", network.prefix(network.hub))
        remote = f"postgresql+asyncpg://postgres@10.77.0.1:{port}/postgres"
        warehouse = await prepared(imported(f"postgresql+asyncpg://postgres@/postgres?host={sockets}&port={port}"))
        Item, processes = warehouse.Item, []
        try:
            for kind in ("run", "run", "run", "receive", "receive", "receive"):
                host = network.add()
                process = servers.Aldis(
                    *(kind, "--broker", broker.url),
                    log=tmp_path / host,
                    prefix=network.prefix(host),
                    WAREHOUSE_DATABASE=remote,
                )
                processes.append(process)
            for process in processes[3:]:
                await process.until_said("started successfully")
            rows = [Item(id=number, number=0, word="new") for number in range(1000)]
            await Item.query.bulk_create(rows)
            await until_received(warehouse, 200, processes=(*processes,))
            assert all(each.is_running() for each in processes), [each.log.read_text() for each in processes]
            relay_host, receiver_host = network.hosts[0], network.hosts[3]
            for host in (relay_host, receiver_host):
                network.cut(host, is_cut=True)
            for row in rows:
                row.number += 1
            await Item.query.bulk_update(rows, ["number"])
            # The others do without them: what the two had taken is given to somebody else.
            await until_received(warehouse, 2000, processes=(*processes,))
            for host in (relay_host, receiver_host):
                network.cut(host, is_cut=False)
            for row in rows:
                row.number += 1
            await Item.query.bulk_update(rows, ["number"])
            # Those that came back do the work alone.
            for process in (*processes[1:3], *processes[4:]):
                process.kill(signal.SIGTERM)
            await until_received(warehouse, 3000, processes=(*processes,))
            found = await effects_of(warehouse)
            assert len(found) == 3000
            for number in range(1000):
                assert [each for item, each in found if item == number] == [0, 1, 2]
        finally:
            for process in processes:
                process.end()
            broker.end()
            await warehouse.Base.database.dispose()


@pytest.mark.skipif(aldis.backend == "pure", reason="the core that is built says enough")
async def test_receiver_that_is_cut_off_within_a_statement_keeps_no_event(network, imported, tmp_path) -> None:
    """Its session has prepared a statement, and waits for parameters: PostgreSQL does not take it for idle."""
    with servers.postgresql("10.77.0.1", network.prefix(network.hub)) as (port, sockets):
        broker = servers.nats(tmp_path / "nats", "10.77.0.1", network.prefix(network.hub))
        remote = f"postgresql+asyncpg://postgres@10.77.0.1:{port}/postgres"
        warehouse = await prepared(imported(f"postgresql+asyncpg://postgres@/postgres?host={sockets}&port={port}"))
        processes = {}
        try:
            for kind in ("run", "receive", "receive"):
                host = network.add()
                processes[host] = servers.Aldis(
                    *(kind, "--broker", broker.url),
                    log=tmp_path / host,
                    prefix=network.prefix(host),
                    WAREHOUSE_DATABASE=remote,
                    WAREHOUSE_PREPARED=str(tmp_path / "prepared"),
                )
            receivers = network.hosts[1:]
            for host in receivers:
                await processes[host].until_said("started successfully")
            await warehouse.Item.query.create(id=1, number=0, word="prepared")
            async with asyncio.timeout(servers.SECONDS):
                while not (stopped := [host for host in receivers if "prepared" in processes[host].log.read_text()]):
                    await asyncio.sleep(0.05)
            network.cut(*stopped, is_cut=True)
            await until_received(warehouse, 1, processes=(*processes.values(),))
            assert await effects_of(warehouse) == [(1, 0)]
        finally:
            for process in processes.values():
                process.end()
            broker.end()
            await warehouse.Base.database.dispose()
