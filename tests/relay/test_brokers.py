"""Through the brokers that run here: events are published, and received."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

import pytest
import servers
from shops import recorded, shop_on

import aldis
from aldis import relay
from aldis.relay.application import Calls, handler
from aldis.relay.brokers import transport_to
from aldis.relay.brokers.transport import token
from aldis.relay.relay import distinct_key_batches
from aldis.signals import post_delete, post_save, post_update
from ports import refusing_port

EVERY = [post_save, post_update, post_delete]

BROKERS = {
    "nats": ("ALDIS_TEST_NATS_URL", "nats://127.0.0.1:4222"),
    "rabbit": ("ALDIS_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672"),
    "redis": ("ALDIS_TEST_REDIS_URL", "redis://127.0.0.1:6379"),
}


@pytest.fixture(params=BROKERS)
def broker(request):
    """Return the URL of a broker that runs here."""
    variable, default = BROKERS[request.param]
    url = os.environ.get(variable, default)
    parts = urlsplit(url)
    if not servers.answers(parts.hostname, parts.port) and os.environ.get("CI") != "true":
        pytest.skip(f"no answer from {url} ({variable})")
    return url


@asynccontextmanager
async def receiving(broker):
    """Let the broker call the receivers, and leave nothing of theirs behind."""
    app = relay.app(broker)
    await app.start()
    try:
        yield app
    finally:
        await app.stop()
        await sweep(broker)


async def sweep(broker) -> None:
    """Delete the receivers' queues and streams in the broker, and their dead letters."""
    names = [(each.name, each.sender) for each in relay.RECEIVERS.values()]
    transport = transport_to(broker)
    async with transport.open():
        client = transport.broker._connection
        for name, sender in names:
            for lane in range(relay.LANES):
                with suppress(Exception):
                    if broker.startswith("nats"):
                        await client.jetstream().delete_consumer("aldis", f"{token(name)}_{lane}")
                    elif broker.startswith("redis"):
                        await client.delete(f"aldis:{token(sender)}:{lane}")
                    else:
                        channel = await client.channel()
                        await channel.queue_delete(f"aldis.{token(name)}.{lane}")
            with suppress(Exception):
                if broker.startswith("nats"):
                    for subject in (f"aldis.{token(sender)}.>", f"aldis.dead.{token(name)}"):
                        await client.jetstream().purge_stream("aldis", subject=subject)
                elif broker.startswith("redis"):
                    await client.delete(f"aldis:dead:{token(name)}")
                else:
                    channel = await client.channel()
                    await channel.queue_delete(f"aldis.dead.{token(name)}")


async def until(condition, seconds=120.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def shop(tmp_path, name):
    async with shop_on(f"sqlite+aiosqlite:///{tmp_path}/shop.db", name) as found:
        yield found


async def test_events_arrive_in_order_per_key(shop, broker, name) -> None:
    got = []

    @relay.receiver(EVERY, f"{name}_User", name=f"{name}_r")
    async def receive(sender, instance, event_id, signal, key, schema_version):
        got.append((signal, key, instance.name, sender, schema_version))

    async with receiving(broker):
        users = await shop.User.query.bulk_create([{"name": f"Zoë {number}"} for number in range(60)])
        for user in users[:20]:
            await user.update(name="100 %")
            await user.delete()
        runner = relay.Relay(shop.database, broker)
        assert await runner.pass_all() == 100
        assert await recorded(shop.database) == []
        await until(lambda: len(got) >= 100)
    assert len(got) == 100
    for number, user in enumerate(users[:20]):
        assert [each for each in got if each[1] == str(user.id)] == [
            ("post_save", str(user.id), f"Zoë {number}", f"{name}_User", 1),
            ("post_update", str(user.id), "100 %", f"{name}_User", 1),
            ("post_delete", str(user.id), "100 %", f"{name}_User", 1),
        ]


async def test_receiver_without_a_database_tries_again_and_gives_up(shop, broker, name) -> None:
    got, tried = [], []

    @relay.receiver(post_save, f"{name}_User", name=f"{name}_r", retries=2, backoff=0)
    async def receive(sender, instance):
        if instance.name == "poison":
            tried.append(instance.id)
            raise LookupError("I cannot")
        got.append(instance.id)

    async with receiving(broker):
        await shop.User.query.bulk_create([{"name": "poison" if number == 5 else "fine"} for number in range(40)])
        await relay.Relay(shop.database, broker).pass_all()
        await until(lambda: len(got) >= 39 and len(tried) >= 3)
        letter = await dead_letter(broker, f"{name}_r")
    assert len(got) == 39
    assert len(tried) == 3
    headers, body = letter
    assert headers["error"] == "LookupError: I cannot"
    assert headers["attempts"] == "3"
    assert json.loads(body)["instance"]["name"] == "poison"


async def dead_letter(broker, name):
    """Return the headers and the body of the first dead letter of a receiver."""
    transport = transport_to(broker)
    async with transport.open(), asyncio.timeout(60):
        client = transport.broker._connection
        while True:
            with suppress(TimeoutError, IndexError, LookupError):
                if broker.startswith("nats"):
                    found = await client.jetstream().get_last_msg("aldis", f"aldis.dead.{name}")
                    return found.headers, found.data
                if broker.startswith("redis"):
                    (_, fields), *_ = await client.xrange(f"aldis:dead:{name}")
                    from faststream.redis.parser import BinaryMessageFormatV1

                    body, headers = BinaryMessageFormatV1.parse(fields[b"__data__"])
                    return headers, body
                channel = await client.channel()
                queue = await channel.declare_queue(f"aldis.dead.{name}", durable=True)
                found = await queue.get(timeout=1)
                await queue.delete(if_unused=False, if_empty=False)
                return found.headers, found.body
            await asyncio.sleep(0.05)


async def test_poisoned_event_holds_up_nobody_else(shop, broker, name) -> None:
    got, tried = [], []

    @relay.receiver(post_save, f"{name}_User", name=f"{name}_r", database=shop.database, retries=3, backoff=0.02)
    async def receive(sender, instance):
        if instance.name == "poison":
            tried.append(len(got))
            raise LookupError("I cannot")
        got.append(instance.id)

    async with receiving(broker):
        await shop.User.query.bulk_create([{"name": "poison" if number == 5 else "fine"} for number in range(80)])
        await relay.Relay(shop.database, broker).pass_all()
        await until(lambda: len(got) >= 79 and len(tried) >= 4)
        async with asyncio.timeout(60):
            while not (await relay.status(shop.database)).dead:
                await asyncio.sleep(0.02)
    assert len(got) == 79
    assert len(tried) == 4
    (letter,) = await relay.dead_letters(shop.database)
    assert (letter.error, letter.attempts) == ("LookupError: I cannot", 4)


async def test_event_that_is_published_twice_has_its_effect_once(shop, broker, name) -> None:
    got = []

    @relay.receiver(EVERY, f"{name}_User", name=f"{name}_r", database=shop.database)
    async def receive(sender, instance):
        got.append((instance.id, instance.points))

    async with receiving(broker):
        users = await shop.User.query.bulk_create([{"name": "x"} for _ in range(20)])
        for user in users:
            await user.update(points=1)
        events = await recorded(shop.database)
        await shop.User.query.create(name="last")
        transport = transport_to(broker)
        async with transport.open():
            for wave in distinct_key_batches(events):
                await transport.publish(wave)
        await relay.Relay(shop.database, broker).pass_all()
        await until(lambda: len(got) >= 41)
        await asyncio.sleep(0.3)
    assert len(got) == 41
    assert all([points for key, points in got if key == user.id] == [0, 1] for user in users)


async def test_attributes_travel_as_cloudevents(shop, broker, name) -> None:
    seen = []
    transport = transport_to(broker)
    read = transport.event_of
    await shop.User.query.create(name="Ada")
    (event,) = await recorded(shop.database)

    @relay.receiver(post_save, f"{name}_User", name=f"{name}_r")
    async def receive(sender, instance, time):
        seen.append(time)

    headers = transport.headers_of(event)
    assert read(headers, event.data).attributes() == event.attributes()
    prefix = {"nats": "ce-", "redi": "ce-", "amqp": "cloudEvents:"}[broker[:4]]
    assert headers[f"{prefix}type"] == f"aldis.{name}_User.post_save"
    assert headers[f"{prefix}specversion"] == "1.0"
    async with receiving(broker):
        await relay.Relay(shop.database, broker, source="/shop").pass_all()
        await until(lambda: seen)
    assert seen == [pytest.approx(event.time, abs=1e-6)]


async def test_messages_of_somebody_else_are_passed_over(shop, name, broker, caplog) -> None:
    seen = []

    @relay.receiver(post_save, f"{name}_User", name=f"{name}_r")
    async def receive(sender, instance):
        seen.append(instance.name)

    async with receiving(broker):
        transport = transport_to(broker)
        async with transport.open():
            for lane in range(relay.LANES):
                way = {
                    "nats": {"subject": f"aldis.{name}_User.post_save.{lane}", "stream": "aldis"},
                    "redi": {"stream": f"aldis:{name}_User:{lane}"},
                    "amqp": {"exchange": "aldis", "routing_key": f"{name}_User.post_save.{lane}"},
                }
                await transport.broker.publish(b"none of ours", **way[broker[:4]])
        for word in ("Ada", "Bob", "Eve"):
            await shop.User.query.create(name=word)
        await relay.Relay(shop.database, broker).pass_all()
        await until(lambda: len(seen) == 3)
        refusal = "a message is no event of aldis.relay: its attribute type is missing"
        await until(lambda: caplog.text.count(refusal) == relay.LANES)
    assert sorted(seen) == ["Ada", "Bob", "Eve"]


@pytest.mark.parametrize(
    "url", ["nats://127.0.0.1:{}", "amqp://127.0.0.1:{}", "redis://127.0.0.1:{}", "kafka://127.0.0.1:{}"]
)
async def test_broker_that_is_not_there_is_named(shop, name, url) -> None:
    await shop.User.query.create(name="Ada")
    with refusing_port() as port:
        with pytest.raises(aldis.ConfigurationError, match=f"no broker answers at 127.0.0.1:{port}"):
            await relay.Relay(shop.database, url.format(port)).pass_all()
        assert len(await recorded(shop.database)) == 1

        @relay.receiver(post_save, f"{name}_User", name=f"{name}_r")
        async def receive(sender, instance): ...

        with pytest.raises(aldis.ConfigurationError, match="no broker answers at"):
            await relay.app(url.format(port)).start()


@pytest.mark.parametrize("scheme", ["nats", "amqp", "redis"])  # FastStream leaves a producer of aiokafka's open then
async def test_broker_that_hangs_up_is_named(shop, monkeypatch, scheme) -> None:
    monkeypatch.setattr("aldis.relay.brokers.transport.CONNECT_SECONDS", 1)

    async def hang_up(reader, writer) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(aldis.ConfigurationError, match=f"the broker at 127.0.0.1:{port} answers, and does not se"):
            await relay.Relay(shop.database, f"{scheme}://127.0.0.1:{port}").pass_all()


async def test_wrong_password_is_said_and_not_shown(shop, broker) -> None:
    if broker.startswith("nats"):
        pytest.skip("the NATS here asks for none")
    url = broker.replace("://", "://guest:wrong@")
    with pytest.raises(aldis.ConfigurationError, match="does not serve us .*look at the name and the password") as seen:
        await relay.Relay(shop.database, url).pass_all()
    assert "guest" not in str(seen.value)
    assert "wrong" not in str(seen.value)


def test_what_is_no_broker_is_refused() -> None:
    with pytest.raises(
        aldis.ConfigurationError, match="mqtt://localhost is no broker that aldis.relay knows: give nats"
    ):
        transport_to("mqtt://localhost")
    with pytest.raises(aldis.ConfigurationError, match="give a URL, or FastStream's NatsBroker, RabbitBroker"):
        transport_to(object())
    with pytest.raises(aldis.ConfigurationError, match="there is no receiver: import the modules"):
        relay.app("nats://127.0.0.1:4222")


async def test_page_of_asyncapi_tells_of_the_receivers(name) -> None:
    from faststream.nats import NatsBroker
    from faststream.specification import AsyncAPI

    @relay.receiver(post_save, "User", name=f"{name}_r")
    async def receive(sender, instance: relay.receivers.Receiver | None, is_update):
        """Keep the search index up to date."""

    app = relay.app(NatsBroker("nats://127.0.0.1:4222"), specification=AsyncAPI(title="Search"))
    page = json.loads(app.schema.to_specification().to_json())
    (channel,) = page["channels"].values()
    assert page["info"]["title"] == "Search"
    assert channel["address"] == "aldis.User.*.0"
    assert channel["description"] == "Keep the search index up to date."
    (payload,) = page["components"]["schemas"].values()
    assert set(payload["properties"]) == {"instance", "column_values", "is_update", "is_migration", "row_count"}


async def test_kafka_is_spoken_to_in_its_own_terms(name) -> None:
    """No Kafka runs here: FastStream's stand-in takes the messages, and gives them to the subscriber."""
    from faststream.kafka import KafkaBroker, TestKafkaBroker

    got = []

    @relay.receiver(post_save, "User", name=f"{name}_r", retries=0)
    async def receive(sender, instance, event_id):
        if instance.id == 2:
            raise LookupError("I cannot")
        got.append((sender, instance.id, event_id))

    broker = KafkaBroker("127.0.0.1:9092")
    way = transport_to(broker)
    receiver = relay.RECEIVERS[f"{name}_r"]
    way.subscribe(receiver, handler(receiver, partial(receiver.persevere, bury=way.bury), Calls(1.0, {})))
    dead = broker.subscriber(f"aldis.dead.{name}_r")

    @dead
    async def bury(message):
        got.append(("dead", message["instance"]["id"]))

    events = [
        relay.Event(f"e.{number}", "User", "post_save", str(number), 1, 0.0, b'{"instance":{"id":%d}}' % number, number)
        for number in (1, 2, 3)
    ]
    async with TestKafkaBroker(broker):
        for event in events:
            await way.publish([event])
    assert got == [("User", 1, "e.1"), ("dead", 2), ("User", 3, "e.3")]


async def test_two_receivers_whose_names_differ_in_a_mark_get_all_events(shop, broker, name) -> None:
    got = {f"{name}.r": [], f"{name}_r": [], f"{name}-r": []}
    for each, seen in got.items():

        def receive(sender, instance, seen=seen):
            seen.append(instance.id)

        relay.receiver(post_save, f"{name}_User", name=each)(receive)
    async with receiving(broker):
        users = await shop.User.query.bulk_create([{"name": "Ada"} for _ in range(20)])
        await relay.Relay(shop.database, broker).pass_all()
        await until(lambda: all(len(seen) >= 20 for seen in got.values()))
    for seen in got.values():
        assert sorted(seen) == [user.id for user in users]


async def test_event_of_another_sender_is_passed_over(shop, broker, name, caplog) -> None:
    got = []

    @relay.receiver(post_save, f"{name}_User", name=f"{name}_r")
    async def receive(sender, instance):
        got.append(sender)

    async with receiving(broker):
        transport = transport_to(broker)
        forged = relay.Event(f"{name}.0", f"{name}_User", "post_save", "7", 1, 0.0, b'{"instance":{"id":7}}', 7)
        headers_of = transport.headers_of
        transport.headers_of = lambda event: {
            **headers_of(event),
            f"{transport.prefix}type": f"aldis.{name}_Evil.post_save",
        }
        async with transport.open():
            await transport.publish([forged])
        await shop.User.query.create(name="Ada")
        await relay.Relay(shop.database, broker).pass_all()
        await until(lambda: len(got) == 1)
        await until(lambda: f"it comes from {name}_Evil, published where" in caplog.text)
    assert got == [f"{name}_User"]


async def test_application_stops_though_a_receiver_hangs_and_its_event_comes_again(shop, broker, name) -> None:
    begun, got = [], []

    @relay.receiver(post_save, f"{name}_User", name=f"{name}_r", patience=60)
    async def receive(sender, instance):
        begun.append(instance.id)
        if len(begun) == 1:
            await asyncio.sleep(3600)
        got.append(instance.id)

    app = relay.app(broker, stop_timeout=0.2)
    await app.start()
    user = await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database, broker).pass_all()
    await until(lambda: begun)
    async with asyncio.timeout(60):
        await app.stop()
    assert got == []
    async with receiving(broker):
        await until(lambda: got == [user.id])
