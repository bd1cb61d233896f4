"""URLs of brokers that cannot serve, and clients that are not installed: one sentence, without a password."""

from __future__ import annotations

import subprocess
import sys

import pytest

import aldis
from aldis.relay.brokers import transport_to

SECRET = "S3cr3tPw"


def refusal(url: str) -> str:
    """Return the message with which a broker is refused."""
    with pytest.raises(aldis.ConfigurationError) as raised:
        transport_to(url)
    assert SECRET not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown", "example"),
    [
        ("nats://127.0.0.1:port", "(21 characters, not shown: they may hold a password)", "nats://host:4222"),
        ("redis://127.0.0.1:99999/0", "redis://127.0.0.1:99999/0", "redis://host:6379"),
        ("kafka://one:9092,two:9092", "kafka://one:9092,two:9092", "kafka://host:9092"),
    ],
)
def test_port_that_is_no_number_is_what_is_wrong(url, shown, example) -> None:
    assert refusal(url) == f"the port of {shown} is no number up to 65535: give one host, such as {example}."


def test_slash_in_a_password_is_to_be_written_as_its_code() -> None:
    assert refusal(f"amqp://bob:pa/{SECRET}@h") == (
        "the port of amqp://bob:***@h is no number up to 65535: give one host, such as amqp://host:5672. Write %2F for "
        "/ and %40 for @ in a password."
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", "an empty text"),
        ("nats://[::1", "(11 characters, not shown: they may hold a password)"),
        ("http://h", "http://h"),
    ],
)
def test_what_is_no_broker_is_told_as_it_may_be_shown(url, shown) -> None:
    assert refusal(url).startswith(f"{shown} is no broker that aldis.relay knows: give nats://, ")


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import aldis
from aldis.relay.brokers import transport_to
try:
    transport_to(sys.argv[2])
except aldis.ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "url", "extra"),
    [
        ("redis", "redis://h", "redis"),
        ("nats", "nats://h", "nats"),
        ("aio_pika", "amqp://h", "rabbit"),
        ("aiokafka", "kafka://h", "kafka"),
        ("faststream", "redis://h", "redis"),
    ],
)
def test_client_that_is_not_installed_is_named_with_the_extra_of_aldis(module, url, extra) -> None:
    pytest.importorskip("faststream")
    done = subprocess.run([sys.executable, "-c", WITHOUT, module, url], capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{extra} needs what is not installed (No module named '{module}")
    assert line.endswith(f"): pip install 'aldis[{extra}]'")
    assert "faststream[" not in line
