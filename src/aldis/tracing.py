"""To see sends at work: OpenTelemetry's spans, log lines, slow receivers, and how often a receiver has raised.

While nothing of it is turned on, a send does not even ask: plans of receivers are made for being watched, or not.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .dispatch.delivery import Watcher
from .dispatch.failures import ERRORS
from .dispatch.receiver import describe, name_of_sender, name_of_signal, short_repr
from .dispatch.watching import unwatch, watch
from .errors import ConfigurationError, SkipOperation

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["errors", "instrument", "log_sends", "uninstrument"]

LOG: Final = logging.getLogger("aldis")


class Spans(Watcher):
    """Makes a span of each send and of each receiver's call; of the rows of a bulk operation, one for all."""

    def __init__(self, tracer: Any, errors: Any) -> None:
        self.tracer = tracer
        self.errors = errors

    def attributes(self, signal: Any, sender: Any, **more: Any) -> dict[str, Any]:
        """Return the attributes of a span."""
        told = {f"aldis.{key}": value for key, value in more.items()}
        return {"aldis.signal": name_of_signal(signal), "aldis.sender": name_of_sender(sender), **told}

    @contextmanager
    def span(self, name: str, attributes: dict[str, Any]) -> Iterator[None]:
        """Surround with a span; that somebody skips an operation is no error."""
        from opentelemetry.trace import Status, StatusCode

        with self.tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except SkipOperation:
                span.set_attribute("aldis.skipped", value=True)
                raise
            except BaseException as error:
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
                raise

    def titled(self, signal: Any, sender: Any) -> str:
        """Return the name of a send's span."""
        return f"{name_of_signal(signal)} {getattr(sender, '__name__', None) or short_repr(sender)}"

    def sending(self, signal: Any, sender: Any, receivers: int) -> Any:
        return self.span(self.titled(signal, sender), self.attributes(signal, sender, receivers=receivers))

    def many(self, signal: Any, sender: Any, rows: int) -> Any:
        return self.span(self.titled(signal, sender), self.attributes(signal, sender, rows=rows))

    @contextmanager
    def calling(self, signal: Any, sender: Any, receiver: Any) -> Iterator[None]:
        who = describe(receiver)
        try:
            with self.span(who, self.attributes(signal, sender, receiver=who)):
                yield
        except SkipOperation:
            raise
        except Exception:
            self.errors.add(1, {"aldis.signal": name_of_signal(signal), "aldis.receiver": who})
            raise


class Lines(Watcher):
    """Writes a line for each send and for each receiver's call, with the seconds that it took."""

    @contextmanager
    def timed(self, signal: Any, sender: Any, what: str) -> Iterator[None]:
        """Write a line when it is over, with the exception that it raised."""
        begun = perf_counter()
        ended = ""
        try:
            yield
        except BaseException as error:
            ended = f", raised {type(error).__name__}"
            raise
        finally:
            seconds = perf_counter() - begun
            LOG.debug("%s of %s %s: %.6f s%s", name_of_signal(signal), name_of_sender(sender), what, seconds, ended)

    def sending(self, signal: Any, sender: Any, receivers: int) -> Any:
        return self.timed(signal, sender, f"to {receivers} receivers")

    def many(self, signal: Any, sender: Any, rows: int) -> Any:
        return self.timed(signal, sender, f"for {rows} rows")

    def calling(self, signal: Any, sender: Any, receiver: Any) -> Any:
        return self.timed(signal, sender, f"at {describe(receiver)}")


class Slow(Watcher):
    """Warns of a receiver that takes too long."""

    each_row: ClassVar[bool] = True
    seconds: float | None = None

    def calling(self, signal: Any, sender: Any, receiver: Any) -> Any:
        return Clock(self, signal, sender, receiver)


class Clock:
    """Times one call. A class, since a generator's context manager costs three times as much."""

    __slots__ = ("begun", "receiver", "sender", "signal", "slow")

    def __init__(self, slow: Slow, signal: Any, sender: Any, receiver: Any) -> None:
        self.slow, self.signal, self.sender, self.receiver = slow, signal, sender, receiver

    def __enter__(self) -> None:
        self.begun = perf_counter()

    def __exit__(self, *exc_info: object) -> None:
        took = perf_counter() - self.begun
        limit = self.slow.seconds
        if limit is not None and took > limit:
            LOG.warning(
                "slow receiver: %s took %.3f s of %s, sender %s (aldis.slow_receiver_seconds is %g)",
                describe(self.receiver),
                took,
                name_of_signal(self.signal),
                name_of_sender(self.sender),
                limit,
            )


LINES: Final = Lines()
SLOW: Final = Slow()
SPANS: Final[list[Spans]] = []


def instrument(tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None) -> None:
    """Make OpenTelemetry's spans: one for each send, one in it for each receiver, until :func:`uninstrument`.

    A bulk operation, or a session's flush, has one span for a signal of all its rows (``aldis.rows``), and one for
    each batched receiver; a receiver that waits for the commit has its span when it runs. Attributes: ``aldis.signal``,
    ``aldis.sender``, ``aldis.receiver``, ``aldis.receivers``, ``aldis.rows``, ``aldis.skipped``. The counter
    ``aldis.receiver.errors`` counts the exceptions of receivers.

    Args:
        tracer_provider: Whose tracer makes the spans; OpenTelemetry's global one by default.
        meter_provider: Whose meter counts the errors; OpenTelemetry's global one by default.

    Raises:
        ConfigurationError: OpenTelemetry's API is not installed: ``pip install "aldis[tracing]"``.

    Example:
        >>> import aldis.tracing
        >>> aldis.tracing.instrument()
        >>> aldis.tracing.uninstrument()
    """
    try:
        from opentelemetry import metrics, trace
    except ImportError as error:
        raise ConfigurationError(
            'aldis.tracing.instrument() needs the API of OpenTelemetry: pip install "aldis[tracing]"'
        ) from error
    from ._version import __version__

    uninstrument()
    tracer = trace.get_tracer("aldis", __version__, tracer_provider)
    counter = metrics.get_meter("aldis", __version__, meter_provider).create_counter(
        "aldis.receiver.errors", unit="{error}", description="What receivers of signals have raised."
    )
    SPANS.append(Spans(tracer, counter))
    watch(SPANS[0])


def uninstrument() -> None:
    """Make no more spans."""
    while SPANS:
        unwatch(SPANS.pop())


def log_sends(enabled: bool = True) -> None:
    """Write a line at DEBUG to the logger ``aldis`` for each send and each receiver's call, with its seconds.

    A switch, since to ask the logger at each send would cost as much as the send.

    Args:
        enabled: ``False`` turns it off.

    Example:
        >>> import logging, aldis.tracing
        >>> logging.getLogger("aldis").setLevel(logging.DEBUG)
        >>> aldis.tracing.log_sends()
        >>> aldis.tracing.log_sends(False)
    """
    (watch if enabled else unwatch)(LINES)


def errors() -> dict[tuple[str, str], int]:
    """Return how often receivers have raised since the process began, by the names of signal and receiver.

    ``SkipOperation`` is not counted. The signal's name is empty for one that has none, and for a receiver that raises
    after the commit. It is counted always, whether anything is traced or not: it costs nothing until something raises.

    Example:
        >>> import aldis.tracing
        >>> aldis.tracing.errors().get(("post_save", "app.welcome"), 0)
        0
    """
    return dict(ERRORS)


def slow_receiver_seconds() -> float | None:
    """Return how long a receiver may take without a warning; ``None``: as long as it likes."""
    return SLOW.seconds


def set_slow_receiver_seconds(seconds: object) -> None:
    """Warn of receivers that take longer than ``seconds``; ``None`` turns it off.

    Raises:
        ConfigurationError: It is no number of seconds.
    """
    if seconds is None:
        SLOW.seconds = None
        unwatch(SLOW)
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds) or seconds < 0:
        raise ConfigurationError(
            f"aldis.slow_receiver_seconds cannot be {seconds!r}: it is a number of seconds, 0 or more, or None for off."
        )
    SLOW.seconds = float(seconds)
    watch(SLOW)
