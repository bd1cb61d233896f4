"""One signal for many rows: in order, with what the context tells, through suspensions and errors."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import weakref

import blinker
import pytest

ROW = contextvars.ContextVar("ROW", default=None)


def series_of(core, signal, instances, told=()):
    """Return a series of post_delete, with a row count that is each row's own."""
    counts = list(range(len(instances)))
    return core.Series(core.emitters.post_delete, signal, str, (instances, instances, counts, False), told)


async def run(series) -> None:
    """Run a series to its end, or to an error, of which it tells the row."""
    await series.run()
    assert series.position == series.count - 1


async def test_rows_and_receivers_in_order(core) -> None:
    signal, steps = core.Signal(), []

    @signal.connect
    def plain(sender, instance, **kwargs):
        steps.append(("plain", sender, instance, kwargs))

    @signal.connect
    async def waits(sender, instance, row_count):
        if instance == "b":
            await asyncio.sleep(0)
        steps.append(("waits", instance, row_count, ROW.get()))

    told = ((ROW, [1, 2, 3]),)
    await run(series_of(core, signal, ["a", "b", "c"], told))
    rest = [{"model_instance": each, "row_count": n, "operation_skipped": False} for n, each in enumerate("abc")]
    assert steps == [
        ("plain", str, "a", rest[0]),
        ("waits", "a", 0, 1),
        ("plain", str, "b", rest[1]),
        ("waits", "b", 1, 2),
        ("plain", str, "c", rest[2]),
        ("waits", "c", 2, 3),
    ]


async def test_it_goes_on_after_a_row_whose_receiver_raised(core) -> None:
    signal, seen = core.Signal(), []

    @signal.connect
    async def receiver(sender, instance):
        if instance == "b":
            await asyncio.sleep(0)
        if instance in "bc":
            raise ValueError(instance)
        seen.append(instance)

    series = series_of(core, signal, list("abcd"))
    failed = []
    while True:
        try:
            await run(series)
        except ValueError as error:
            failed.append((series.position, str(error), "aldis: at the receiver" in error.__notes__[0]))
        else:
            break
    assert (seen, failed) == (["a", "d"], [(1, "b", True), (2, "c", True)])


@pytest.mark.parametrize("is_foreign", [False, True])
async def test_values_are_made_row_by_row(core, is_foreign) -> None:
    signal, heard, made = blinker.Signal() if is_foreign else core.Signal(), [], []

    class Made(core.MadeColumn):
        def rest(self, first):
            for number in range(first, self.count):
                made.append(number)
                yield {"of": number}

    def receiver(sender, row_count, **kwargs):
        heard.append(row_count)
        if row_count == {"of": 1}:
            raise core.SkipOperation

    def only(sender, row_count):
        assert row_count is heard[-1]
        assert len(made) == len(heard)

    signal.connect(receiver)
    if not is_foreign:
        signal.connect(only)
    instances = ["a", "b", "c", "d"]
    series = core.Series(core.emitters.post_delete, signal, str, (instances, instances, Made(4), False))
    with pytest.raises(core.SkipOperation):
        await series.run()
    assert series.position == 1
    await run(series)
    assert heard == [{"of": number} for number in range(4)]
    heard.clear()
    made.clear()
    signal.disconnect(receiver)
    signal.disconnect(only)
    signal.connect(lambda sender, row_count: heard.append(row_count), weak=False)
    await run(core.Series(core.emitters.post_delete, signal, str, ("a", "a", Made(2), False)))
    assert heard[-2:] == [{"of": 0}, {"of": 1}]


async def test_receivers_that_come_and_go_meanwhile(core) -> None:
    signal, seen = core.Signal(), []

    def late(sender, instance):
        seen.append(("late", instance))

    @signal.connect
    def first(sender, instance):
        seen.append(("first", instance))
        if instance == "a":
            signal.connect(late)
        if instance == "b":
            signal.disconnect(late)

    await run(series_of(core, signal, list("abc")))
    assert seen == [("first", "a"), ("first", "b"), ("late", "b"), ("first", "c")]


async def test_one_that_names_parameters_comes_among_those_with_keywords(core) -> None:
    signal, seen = core.Signal(), []

    @signal.connect
    async def keywords(sender, instance, **kwargs):
        if instance == "b":
            signal.connect(names)
            await asyncio.sleep(0)
        elif instance == "d":
            signal.disconnect(names)
        elif instance == "c":
            raise ValueError(kwargs["row_count"])

    def names(sender, row_count, instance):
        seen.append((instance, row_count))

    def last(sender, instance, row_count, **kwargs):
        seen.append((row_count, kwargs["model_instance"]))

    signal.connect(last)
    series = series_of(core, signal, list("abcdef"))
    with pytest.raises(ValueError, match=r"^2\n"):
        await run(series)
    assert series.position == 2
    await run(series)
    assert seen == [(0, "a"), (1, "b"), (3, "d"), ("d", 3), (4, "e"), (5, "f")]


async def test_foreign_signal_and_nobody(core) -> None:
    signal, seen = blinker.Signal(), []
    assert series_of(core, signal, ["a"]).go() is None

    @signal.connect
    async def receiver(sender, instance, **kwargs):
        await asyncio.sleep(0)
        seen.append(instance)

    await run(series_of(core, signal, ["a", "b"]))
    assert seen == ["a", "b"]


def test_no_rows(core) -> None:
    assert series_of(core, core.Signal(), []).go() is None


def test_what_does_not_fit_is_refused(core) -> None:
    make = core.emitters.post_delete
    with pytest.raises(TypeError, match="post_delete takes 4 values, not 1"):
        core.Series(make, core.Signal(), str, ([],))
    with pytest.raises(ValueError, match=r"the lists of a series are of one length, not of \[1, 2\]"):
        core.Series(make, core.Signal(), str, ([1], [1, 2], 1, False))


def test_nothing_is_kept(core) -> None:
    class Thing:
        pass

    signal = core.Signal()

    @signal.connect
    def receiver(sender, instance): ...

    thing = Thing()
    gone = weakref.ref(thing)
    series = series_of(core, signal, [thing], ((ROW, [None]),))
    series.go()
    del thing, series
    gc.collect()
    assert gone() is None


def test_keywords_of_a_row_are_the_receivers_own(core) -> None:
    signal, seen, kept = core.Signal(), [], []

    async def spoils(sender, instance, **kwargs):
        kwargs["row_count"] = kwargs["new"] = "spoilt"
        del kwargs["operation_skipped"]
        kept.append(kwargs)

    async def sees(sender, instance, **kwargs):
        seen.append((instance, kwargs))

    def names_one(sender, *, row_count, **kwargs):
        seen.append((row_count, kwargs))

    async def sees_last(sender, instance, **kwargs):
        seen.append((instance, kwargs))

    for receiver in (spoils, sees, names_one, sees_last):
        signal.connect(receiver, weak=False)
    assert series_of(core, signal, ["a", "b", "b"]).go() is None
    assert len({id(kwargs) for kwargs in kept}) == 3
    expected = []
    for count, instance in enumerate("abb"):
        rest = {"model_instance": instance, "operation_skipped": False}
        whole = (instance, {**rest, "row_count": count})
        expected += [whole, (count, {**rest, "instance": instance}), whole]
    assert seen == expected


def test_receivers_of_every_kind_get_what_they_name(core) -> None:
    signal, seen = core.Signal(), []

    class Owner:
        def method(self, sender, instance, **kwargs):
            seen.append((instance, kwargs))

    def out_of_order(sender, row_count, instance, **kwargs):
        seen.append((row_count, instance, kwargs))

    async def sender_alone(sender, **kwargs):
        seen.append(kwargs)

    @functools.wraps(out_of_order)
    def wrapped(*args, **kwargs):
        seen.append((args, kwargs))

    owner = Owner()
    for receiver in (owner.method, out_of_order, sender_alone, wrapped):
        signal.connect(receiver, weak=False)
    assert series_of(core, signal, ["a", "b"]).go() is None
    expected = []
    for count, instance in enumerate("ab"):
        rest = {"model_instance": instance, "operation_skipped": False}
        whole = {"instance": instance, **rest, "row_count": count}
        method = (instance, {**rest, "row_count": count})
        expected += [method, (count, instance, rest), whole, ((str,), whole)]
    assert seen == expected


def test_what_a_receiver_makes_of_the_context_is_not_the_next_rows(core) -> None:
    signal, seen = core.Signal(), []

    @signal.connect
    def receiver(sender, instance):
        seen.append(ROW.get())
        ROW.set("spoilt")

    assert series_of(core, signal, ["a", "b", "c"], ((ROW, [1, 1, 2]),)).go() is None
    assert seen == [1, 1, 2]


def test_a_receiver_that_nobody_else_holds_stays_to_the_end(core) -> None:
    signal, seen, held = core.Signal(), [], []

    def short_lived(sender, instance):
        seen.append(instance)
        held.clear()

    held.append(short_lived)
    signal.connect(short_lived)
    del short_lived
    assert series_of(core, signal, ["a", "b"]).go() is None
    gc.collect()
    assert seen == ["a", "b"]
    assert not signal.receivers


def test_a_loop_is_made_once_for_all_series_of_a_shape(core) -> None:
    signal, loops = core.Signal(), []

    @signal.connect
    def receiver(sender, instance, operation_skipped):
        loops.append((sys._getframe(1).f_code, instance, operation_skipped))

    def fire(instances, skipped):
        columns = (instances, instances, 1, skipped)
        asyncio.run(core.Series(core.emitters.post_delete, signal, str, columns).run())

    fire(["a"], False)
    fire(["b"], True)
    fire(["c"], [False])  # another shape: each row has its own
    fire(["d"], False)
    first, again, of_rows, last = [code for code, _, _ in loops]
    assert first is again is last
    assert of_rows is not first
    assert [rest for _, *rest in loops] == [["a", False], ["b", True], ["c", False], ["d", False]]


async def test_two_series_at_once_share_a_loop_and_no_values(core) -> None:
    signal, seen = core.Signal(), []

    @signal.connect
    async def receiver(sender, instance, **kwargs):
        mine = ROW.get()
        await asyncio.sleep(0)
        seen.append((instance, kwargs["row_count"], mine, ROW.get()))

    @signal.connect
    def second(sender, instance, **kwargs):
        kwargs["row_count"] = None  # its own dict

    one, two = ["a", "b", "c"], ["x", "y"]
    tasks = [asyncio.create_task(series_of(core, signal, each, ((ROW, each),)).run()) for each in (one, two)]
    await asyncio.gather(*tasks)
    assert sorted(seen) == [(each, number, each, each) for rows in (one, two) for number, each in enumerate(rows)]


async def test_a_loop_that_was_made_calls_none_that_has_gone_or_is_another(core) -> None:
    signal, seen = core.Signal(), []

    def weak(sender, instance):
        seen.append(("weak", instance))

    def strong(sender, instance):
        seen.append(("strong", instance))

    def other(sender, instance):
        seen.append(("other", instance))

    signal.connect(weak)
    signal.connect(strong, weak=False)
    await run(series_of(core, signal, ["a"]))
    del weak
    gc.collect()
    await run(series_of(core, signal, ["b"]))
    strong.__code__ = other.__code__
    await run(series_of(core, signal, ["c"]))
    signal.disconnect(strong)
    await run(series_of(core, signal, ["d"]))
    assert seen == [("weak", "a"), ("strong", "a"), ("strong", "b"), ("other", "c")]
