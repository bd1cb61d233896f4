"""The brokers that events go through, each by FastStream; one module for the peculiarities of each."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ...errors import ConfigurationError
from ...masking import masked_url

if TYPE_CHECKING:
    from .transport import Transport

__all__ = ["transport_to"]

KINDS: Final = {
    "nats": ("nats", 4222),
    "tls": ("nats", 4222),
    "amqp": ("rabbit", 5672),
    "amqps": ("rabbit", 5671),
    "redis": ("redis", 6379),
    "rediss": ("redis", 6379),
    "kafka": ("kafka", 9092),
}
"""Module and port, by the URL's scheme."""

CLASSES: Final = {"NatsBroker": "nats", "RabbitBroker": "rabbit", "RedisBroker": "redis", "KafkaBroker": "kafka"}
"""Module, by the name of FastStream's broker class; the module's own class is ``NatsTransport`` and so on."""

PATIENCE_SECONDS: Final = 5.0
"""How long a broker may take to answer at all."""


def transport_to(broker: Any) -> Transport:
    """Return the transport to a broker.

    Args:
        broker: Its URL, or a broker of FastStream's.

    Raises:
        ConfigurationError: The broker is unknown, its port is no number, or a package that it needs is not installed.
    """
    if isinstance(broker, str):
        scheme = scheme_of(broker)
        transport: Transport = module_of(KINDS[scheme][0]).from_url(broker)
        return transport
    for each in type(broker).__mro__:
        if each.__name__ in CLASSES:
            kind = CLASSES[each.__name__]
            found: Transport = getattr(module_of(kind), f"{kind.title()}Transport")(broker)
            return found
    raise ConfigurationError(
        f"{broker!r} is no broker that aldis.relay knows: give a URL, or FastStream's {', '.join(CLASSES)}."
    )


def scheme_of(url: str) -> str:
    """Return the scheme of a broker's URL.

    Raises:
        ConfigurationError: It is none that is known, or the URL's port is no number.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or "://" not in url or parts.scheme not in KINDS:
        raise ConfigurationError(
            f"{masked_url(url)} is no broker that aldis.relay knows: give nats://, amqp://, redis:// or kafka://."
        )
    try:
        _ = parts.port  # which is checked when it is read
    except ValueError:
        # Not "from error": its message has the text in the port's place, which may be a part of a password.
        advice = " Write %2F for / and %40 for @ in a password." if "@" in url else ""
        raise ConfigurationError(
            f"the port of {masked_url(url)} is no number up to 65535: give one host, such as "
            f"{parts.scheme}://host:{KINDS[parts.scheme][1]}.{advice}"
        ) from None
    return parts.scheme


def module_of(kind: str) -> Any:
    """Return the module of a kind of broker.

    Raises:
        ConfigurationError: FastStream or the broker's client is not installed.
    """
    try:
        return importlib.import_module(f"{__name__}.{kind}")
    except ImportError as error:
        missing: BaseException = error
        while isinstance(missing.__cause__, ImportError):  # FastStream's own has its advice, of several lines
            missing = missing.__cause__
        raise ConfigurationError(
            f"{kind} needs what is not installed ({missing}): pip install 'aldis[{kind}]'"
        ) from error


async def require_reachable(url: str) -> None:
    """Refuse a broker that is not there, before its client tries for minutes.

    Raises:
        ConfigurationError: It is not.
    """
    host, port = host_and_port(url)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), PATIENCE_SECONDS)
    except (OSError, TimeoutError) as error:
        raise ConfigurationError(
            f"no broker answers at {host}:{port} ({error or 'in time'}): start it, or give another --broker."
        ) from error
    writer.close()


def host_and_port(url: str) -> tuple[str, int]:
    """Return the host and the port of a broker's URL.

    Example:
        >>> host_and_port("nats://me:secret@example.org"), host_and_port("amqp://[::1]:5000")
        (('example.org', 4222), ('::1', 5000))
    """
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or KINDS[parts.scheme][1]
