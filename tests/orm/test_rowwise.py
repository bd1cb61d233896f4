"""What is done to every row, in C and in Python: both do the same, and what they say."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aldis
from aldis.orm.mapping import _pure_rows as pure

BOTH = [pure]
if aldis.backend == "compiled":
    BOTH.append(importlib.import_module("aldis.orm.mapping._compiled_rows"))


class Later(datetime): ...


NOTHING = object()
VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.datetimes(), st.just(NOTHING))
NAMES = st.sampled_from(["_sa_instance_state", "a", "b", "ü", "a long name"])


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.one_of(st.datetimes(), st.none(), st.datetimes(timezones=st.just(UTC)))))
def test_datetimes_are_their_iso_text(rows, values) -> None:
    found = rows.iso([*values, Later(2026, 1, 2)], repr)
    assert found[:-1] == [
        repr(value) if value is None or value.tzinfo else value.isoformat(" ", "microseconds") for value in values
    ]
    assert found[-1] == repr(Later(2026, 1, 2))


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1), min_size=1), st.booleans())
def test_rows_of_the_same_names_are_picked(rows, loaded, alike) -> None:
    names = tuple(loaded[0])
    if alike:
        loaded = [{name: each.get(name) for name in names} for each in loaded]
    columns = [(f"column {name}", place) for place, name in enumerate(names) if name != "b"]
    for leave_out in (-1, len(names) - 1):
        found = rows.pick(loaded, names, leave_out, columns, [])
        if any(tuple(each) != names for each in loaded):
            assert found is None
            continue
        given_, written = found
        kept = [name for place, name in enumerate(names) if place != leave_out]
        assert given_ == [tuple(each[name] for name in kept) for each in loaded]
        assert written == [{f"column {name}": each[name] for name in names if name != "b"} for each in loaded]


@pytest.mark.parametrize("rows", BOTH)
def test_rows_of_a_hundred_names_are_picked(rows) -> None:
    loaded = [{f"name {number}": number * lap for number in range(100)} for lap in range(3)]
    given_, written = rows.pick(loaded, tuple(loaded[0]), 7, [("seven", 7), ("last", 99)], [])
    assert written == [{"seven": 7 * lap, "last": 99 * lap} for lap in range(3)]
    assert given_[2] == tuple(2 * number for number in range(100) if number != 7)
    assert rows.types(loaded) == {int}
    loaded[2]["name 80"] = "text"
    assert rows.types(loaded) == {int, str}


@pytest.mark.parametrize("rows", BOTH)
def test_values_of_defaults_are_made_row_by_row(rows) -> None:
    made = iter("abc")
    _, written = rows.pick([{"a": 1}] * 2, ("a",), -1, [("a", 0)], [("b", lambda: next(made)), ("c", list)])
    assert written == [{"a": 1, "b": "a", "c": []}, {"a": 1, "b": "b", "c": []}]
    assert written[0]["c"] is not written[1]["c"]
    assert rows.pick([{"a": 1}, {"b": 1}], ("a",), -1, [], [("b", lambda: pytest.fail("made for nothing"))]) is None
    with pytest.raises(ZeroDivisionError):
        rows.pick([{"a": 1}], ("a",), -1, [], [("b", lambda: 1 // 0)])


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.dictionaries(NAMES, VALUES)))
def test_types_are_those_of_all_values(rows, some) -> None:
    assert rows.types(some) == {type(value) for each in some for value in each.values()}


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.dictionaries(NAMES, VALUES)))
def test_names_are_those_of_all_rows(rows, some) -> None:
    assert rows.names(some) == {tuple(each) for each in some}
    assert rows.names(some * 2) == rows.names(some)
    assert rows.names([{"".join(name): 1} for name in ("ab", "ab")]) == {("ab",)}


class Unequal:
    """Is never asked whether it equals something."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.dictionaries(NAMES, VALUES)), st.data())
def test_altered_rows_are_found_with_what_they_were(rows, some, data) -> None:
    before = [each.copy() for each in some]
    names, values = rows.values_of(some)
    assert names == [tuple(each) for each in some]
    assert values == [value for each in some for value in each.values()]
    assert rows.altered(some, names, values) == []
    changed = set()
    for number, each in enumerate(some):
        match data.draw(st.sampled_from(["as it is", "set", "added", "taken out"])):
            case "set" if each:
                each[next(reversed(each))] = Unequal()
            case "added":
                each["new"] = None
            case "taken out" if each:
                each.popitem()
            case _:
                continue
        changed.add(number)
    assert rows.altered(some, names, values) == [(number, before[number]) for number in sorted(changed)]


@pytest.mark.parametrize("rows", BOTH)
def test_equal_object_in_the_place_of_another_alters_a_row(rows) -> None:
    some = [{"a": 1}, {"a": 1}]
    was = rows.values_of(some)
    some[0]["a"] = True
    assert rows.altered(some, *was) == [(0, {"a": 1})]


@pytest.mark.parametrize("rows", BOTH)
def test_values_that_are_not_there_are_filled_in(rows) -> None:
    loaded = [{"a": 0}, {}, {}]
    pairs = [(("a", "A"), ("b", "B")), (("a", "A"),), ()]
    rows.fill(loaded, [{"A": 1, "B": 2}, {"B": 2}, {"A": 1}], pairs)
    assert loaded == [{"a": 0, "b": 2}, {}, {}]


@pytest.mark.parametrize("rows", BOTH)
def test_tuples_that_are_not_wanted_are_not_made(rows) -> None:
    assert rows.pick([{"a": 1}, {"a": 2}], ("a",), -1, [("A", 0)], [], False) == ([], [{"A": 1}, {"A": 2}])


@pytest.mark.parametrize("rows", BOTH)
@given(
    st.lists(st.tuples(VALUES, VALUES, st.sampled_from([True, False, None, 1])), max_size=5),
    st.integers(0, 2),
    st.integers(0, 5),
)
def test_changes_are_the_values_that_are_not_equal(rows, values, columns, first) -> None:
    old, new, equal = map(list, zip(*values, strict=True)) if values else ([], [], [])
    given = [("a", old, new, equal), ("b", tuple(new), tuple(old), None)][:columns]
    found = list(rows.changes_of(aldis.Change, given, range(min(first, len(old)), len(old))))
    assert found == [
        {name: (before[n], now[n]) for name, before, now, same in given if same is None or same[n] is not True}
        for n in range(first, len(old))
    ]
    assert all(type(each) is aldis.Change for row in found for each in row.values())


PLAIN = {int, str, type(None)}
"""Types of VALUES: not those of datetimes and of NOTHING."""


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.dictionaries(NAMES, VALUES)), st.lists(NAMES))
def test_one_of_the_names_is_found(rows, some, names) -> None:
    assert rows.has_one(some, names) is any(name in each for name in names for each in some)


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.dictionaries(NAMES, VALUES)), NAMES, VALUES)
def test_value_is_found_and_one_that_cannot_be_compared(rows, some, name, value) -> None:
    there = [each[name] for each in some if name in each]
    assert rows.has_value(some, name, value, PLAIN) is any(type(each) not in PLAIN or each == value for each in there)


@pytest.mark.parametrize("rows", BOTH)
def test_error_of_a_comparison_is_raised(rows) -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ArithmeticError

        __hash__ = None

    with pytest.raises(ArithmeticError):
        rows.has_value([{"a": Odd()}], "a", 1, {Odd})
