"""Attributes of CloudEvents that somebody else may have written: refused by name, and never logged raw."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

import aldis
from aldis import relay
from aldis.relay.brokers.transport import token
from aldis.relay.log_text import error_line, printable

RIGHT = {
    "specversion": "1.0",
    "id": "3f.0",
    "source": "aldis",
    "type": "aldis.shop.User.post_save",
    "subject": "7",
    "time": "2026-01-01T00:00:00Z",
    "schemaversion": "1",
    "lane": "7",
}


def test_event_of_ours_is_read() -> None:
    event = relay.Event.from_attributes(RIGHT, b"{}")
    assert (event.sender, event.signal, event.key, event.version, event.lane) == ("shop.User", "post_save", "7", 1, 7)
    assert event.time == datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "i" * 49),
        ("id", ""),
        ("id", "a\0b"),
        ("id", "a\nb"),
        ("id", "ä"),
        ("id", 5),
        ("id", None),
        ("id", {"a": 1}),
        ("id", b"3f.0"),
        ("type", "aldis"),
        ("type", "aldis.post_save"),
        ("type", "aldis.User.pre_save"),
        ("type", "aldis.User.post_save.drop"),
        ("type", "others.User.post_save"),
        ("type", "aldis.Us\ner.post_save"),
        ("type", f"aldis.{'u' * 300}.post_save"),
        ("subject", "k" * 65_537),
        ("subject", "\udcff"),
        ("subject", 7),
        ("schemaversion", "1" * 5000),
        ("schemaversion", "3000000000"),
        ("schemaversion", "1_0"),
        ("schemaversion", "\u0661"),
        ("schemaversion", 1),
        ("lane", "16"),
        ("lane", "-1"),
        ("lane", "nan"),
        ("lane", " 7"),
        ("time", ""),
        ("time", "0001-01-01T00:00:00+14:00"),
        ("time", "9999-12-31T23:59:59-14:00"),
        ("time", datetime(2026, 1, 1, tzinfo=UTC)),
        ("source", "s" * 100_000),
    ],
)
def test_attribute_that_no_event_of_ours_has_is_refused_by_name(name, value) -> None:
    with pytest.raises(
        aldis.ConfigurationError, match=f"is no event of aldis.relay: its attribute {name} is"
    ) as raised:
        relay.Event.from_attributes({**RIGHT, name: value}, b"{}")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("name", ["id", "type", "schemaversion", "lane", "time", "source"])
def test_attribute_that_is_missing_is_named(name) -> None:
    rest = {each: value for each, value in RIGHT.items() if each != name}
    with pytest.raises(aldis.ConfigurationError, match=f"its attribute {name} is missing"):
        relay.Event.from_attributes(rest, b"{}")


def test_event_that_was_read_can_be_written_as_a_dead_letter() -> None:
    for time in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59.5+02:00"):
        event = relay.Event.from_attributes({**RIGHT, "time": time}, b"{}")
        assert relay.Event.from_attributes(event.attributes(), b"{}") == event


def test_names_never_share_a_word_of_the_broker() -> None:
    names = ["mail.order", "mail_order", "mail-order", "mail order", "mail-2Eorder", "mail/order", "Mail_order", "mäil"]
    words = {token(name) for name in names}
    assert len(words) == len(names)
    assert all(word.isascii() and not set(word) & set(" .*>/\\#") for word in words)


@pytest.mark.parametrize("name", ["dead", " mail", "mail\n", "m" * 201, "a\0b"])
def test_name_that_tables_and_brokers_cannot_hold_is_refused(name) -> None:
    with pytest.raises(aldis.ConfigurationError, match="the receiver's name .* (is reserved|cannot be used)"):
        relay.receiver(aldis.signals.post_save, "User", name=name)(lambda sender: None)
    with pytest.raises(aldis.ConfigurationError, match="the sender's name .* (is reserved|cannot be used)"):
        relay.receiver(aldis.signals.post_save, name)(lambda sender: None)


def test_text_for_the_log_is_one_line_of_bounded_length() -> None:
    assert printable("a\r\n\x1b[31m\u2028b") == r"a\r\n\x1b[31m\u2028b"
    assert len(printable("\n" * 10**6)) < 200
    assert error_line(ValueError("a\nERROR forged")) == r"ValueError: a\nERROR forged"
    assert len(error_line(ValueError("x" * 10**6))) < 2100


async def test_id_with_a_line_break_is_logged_escaped(receivers, caplog) -> None:
    @relay.receiver(aldis.signals.post_save, "User", name="r", retries=1, backoff=0)
    async def receive(sender):
        raise LookupError("no\nCRITICAL forged")

    buried = []

    async def bury(*arguments):
        buried.append(arguments)

    event = relay.Event("a\nCRITICAL forged", "User", "post_save", "7", 1, 0.0, b'{"instance":{}}', 7)
    with caplog.at_level(logging.WARNING, "aldis.relay"):
        await receivers["r"].persevere(event, bury=bury)
    assert [record.getMessage() for record in caplog.records] == [
        r"r raised at event a\nCRITICAL forged: LookupError: no\nCRITICAL forged",
        r"r gives event a\nCRITICAL forged up after 2 attempts",
    ]
    assert buried == [("r", event, r"LookupError: no\nCRITICAL forged", 2)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04pickle.",
        b"[]",
        b"{}",
        b'{"instance":5}',
        b'{"instance":["ab"]}',
        b'{"instance":{"id":NaN}}',
        b'{"instance":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"instance":{"a":' * 50_000,
        b'{"instance":{},"row_count":"x"}',
        b'{"instance":{},"column_values":[1]}',
        b'{"instance":{"a":"\xff"}}',
        b'{"instance":{"a":"\\ud800"}}',
    ],
)
async def test_body_that_cannot_be_read_goes_to_the_dead_letters_at_once(receivers, data) -> None:
    called, buried = [], []

    @relay.receiver(aldis.signals.post_save, "User", name="r")
    async def receive(sender, instance, column_values):
        called.append(instance)

    async def bury(*arguments):
        buried.append(arguments)

    event = relay.Event("3f.0", "User", "post_save", "7", 1, 0.0, data, 7)
    await receivers["r"].persevere(event, bury=bury)
    ((_, same, error, attempts),) = buried
    assert (called, same, attempts) == ([], event, 1)
    assert error.startswith("SchemaError: r cannot read User of version 1: ")
