"""Two outcomes are compared: each kind of difference between them, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy.orm.exc import MultipleResultsFound

import aldis

from .calls import CALLS
from .columns import COLUMNS
from .examples import Example, Row
from .meant import is_meant_error
from .outcomes import UNLOADED, Outcome, Trial

__all__ = ["Difference", "differences"]


@dataclass(frozen=True)
class Difference:
    """Something that aldis did otherwise than SQLAlchemy."""

    field: str
    """Which part of the outcome: error, rows, stored, key, attribute, modified, or events."""
    attribute: str
    """The attribute or column; "" for the row as a whole."""
    given: str
    """How the attribute was given: unset, None, sql, given, or ""."""
    ours: str
    theirs: str
    tag: int | None = None


TIME = re.compile(r".*\d\d\d\d.*", re.DOTALL)


def differences(trial: Trial) -> list[Difference]:
    """Return the differences of a trial, one of each field, attribute and way that it was given."""
    found: dict[tuple[str, ...], Difference] = {}
    for difference in all_differences(trial):
        found.setdefault((difference.field, difference.attribute, difference.given), difference)
    if found and trial.flushed_each is not None:
        return differences(replace(trial, theirs=trial.flushed_each, flushed_each=None))
    return list(found.values())


def all_differences(trial: Trial) -> Iterator[Difference]:
    example, ours, theirs = trial.example, trial.ours, trial.theirs
    call = CALLS[example.call]
    if is_other_error(ours, theirs):
        if is_meant_error(trial):
            earlier = theirs.stored.keys() if call.stored == "none" and call.changes else prepared_tags(example)
            if ours.stored.keys() - earlier and not call.is_one_by_one:
                yield Difference("undone", "", "", str(sorted(ours.stored)), "[]")
            return
        yield Difference("error", "", "", error_text(ours), error_text(theirs))
        return
    first, second = canonical(example, ours), canonical(example, theirs)
    # A session's flush is SQLAlchemy's own work.
    is_plain = trial.is_self_check or example.call.startswith(("session", "insert"))
    is_told = not is_plain and example.lookup == "tag"
    if ours.error is None and is_told and "delete" not in example.call and "gone" not in example.call:
        for tag, instance in first.instances.items():
            # Rules 1 and 2, whatever SQLAlchemy does.
            if instance["(key)"] != "None" and tag not in ours.stored:
                yield Difference("no row", "", "", "an instance with a key", "no row", tag)
    displaced: set[int] = set()
    if example.spec.tables.makes_keys:
        displaced = {tag for tag, each in second.instances.items() if "not its row" in "".join(each.values())}
        for instance in [*second.instances.values(), *(first.instances.values() if is_plain else ())]:
            instance.update({name: value.replace("not its row", "its row") for name, value in instance.items()})
    if ours.tags != theirs.tags:
        yield Difference("rows", "", "", str(ours.tags), str(theirs.tags))
    # SQLAlchemy errs in the keys of such a table, and changes other rows afterwards.
    is_changed_after = example.spec.tables.makes_keys and call.changes and call.stored == "none"
    unchanged = {tag for tag, row in enumerate(example.rows) if call.changes and is_no_change(row)}
    for tag in (first.stored.keys() & second.stored.keys()) - unchanged if not is_changed_after else ():
        yield from of_dicts(example, "stored", tag, first.stored[tag], second.stored[tag])
    if ours.error is None:
        yield from of_instances(trial, first, second, displaced, unchanged)
    if ours.error is None and not CALLS[example.call].is_statement:
        for tag in sorted((ours.heard.keys() | theirs.heard.keys()) - unchanged):
            if ours.heard.get(tag, []) != theirs.heard.get(tag, []):
                yield Difference("heard", "", "", str(ours.heard.get(tag, [])), str(theirs.heard.get(tag, [])), tag)
    for tag in sorted((first.events.keys() | second.events.keys()) - unchanged) if ours.error is None else ():
        heard = first.events.get(tag, []), second.events.get(tag, [])
        if heard[0] != heard[1]:
            yield Difference("events", "", "", str(heard[0]), str(heard[1]), tag)


def prepared_tags(example: Example) -> set[int]:
    """Return the tags of the rows that were stored before the call."""
    stored = CALLS[example.call].stored
    return {tag for tag in range(len(example.rows)) if stored == "all" or (stored == "half" and tag % 2 == 0)}


def of_instances(
    trial: Trial, first: Outcome, second: Outcome, displaced: set[int], unchanged: set[int]
) -> Iterator[Difference]:
    """Compare the instances, where both sides have one of a row.

    Args:
        trial: The trial.
        first: What aldis did, in comparable form.
        second: What SQLAlchemy did.
        displaced: The tags of the instances to which SQLAlchemy has given another row's key, and all that INSERT
            returned of that row (rule 1).
        unchanged: The tags of the rows whose changes are none (rule 3).
    """
    example = trial.example
    for tag in sorted((first.instances.keys() & second.instances.keys()) - unchanged):
        if example.spec.tables.drops_rows and tag not in first.stored and tag not in second.stored:
            continue  # rule 2: SQLAlchemy gives such an instance the key of another row
        ours, theirs = dict(first.instances[tag]), dict(second.instances[tag])
        for special in ("(key)", "(modified)"):
            mine, other = ours.pop(special), theirs.pop(special)
            # delete() makes the instance new again, as its documentation says.
            if mine != other and "delete" not in example.call:
                yield Difference(special.strip("()"), "", "", mine, other, tag)
        for name, value in theirs.items():
            # Rule 3: attributes that the session leaves unloaded may be loaded here, with a SELECT's values.
            is_other_rows = (
                tag in displaced and example.given(tag, name) in {"unset", "sql"} and value != ours.get(name)
            )
            if (value == UNLOADED or is_other_rows) and ours.get(name) != UNLOADED:
                fresh = trial.fresh.get(tag, trial.ours.instances[tag])
                theirs[name] = canonical_value(example, name, fresh.get(name, UNLOADED))
                ours[name] = canonical_value(example, name, trial.ours.instances[tag].get(name, UNLOADED))
        if "delete" not in example.call:
            yield from of_dicts(example, "attribute", tag, ours, theirs)


def of_dicts(
    example: Example, field: str, tag: int, ours: dict[str, str | None], theirs: dict[str, str | None]
) -> Iterator[Difference]:
    for name in sorted(ours.keys() | theirs.keys()):
        if field == "stored" and tag < len(example.rows) and is_loaded_null(example.rows[tag], name):
            continue
        if ours.get(name) != theirs.get(name):
            yield Difference(field, name, example.given(tag, name), str(ours.get(name)), str(theirs.get(name)), tag)


def is_loaded_null(row: Row, name: str) -> bool:
    """Tell whether rule 3 makes a change none: a NULL of SQL's was loaded as ``None``, to which JSON is set again."""
    return row.cells.get(name) == "null()" and row.changes.get(name) == "None"


LOADED = {"true()": {"True", "1"}, "false()": {"False", "0"}, "null()": {"None"}}
"""Values that are loaded where the database has made them of SQL, and the texts of those that are equal to them."""


def is_no_change(row: Row) -> bool:
    """Tell whether rule 3 makes all changes of a row none, so that no UPDATE writes it, and no ``onupdate`` runs."""
    changes = row.changes.items()
    return bool(changes) and all(text in LOADED.get(row.cells.get(name, ""), ()) for name, text in changes)


def is_other_error(ours: Outcome, theirs: Outcome) -> bool:
    """Tell whether the calls ended otherwise: an error of a derived class is none other."""
    if theirs.error is None:
        return ours.error is not None
    if isinstance(theirs.error, MultipleResultsFound):
        return not isinstance(ours.error, aldis.MultipleObjectsReturned | MultipleResultsFound)
    return type(theirs.error).__name__ not in ours.mro()


def error_text(outcome: Outcome) -> str:
    return "no error" if outcome.error is None else f"{type(outcome.error).__name__}: {outcome.error}"


def canonical(example: Example, outcome: Outcome) -> Outcome:
    """Return the outcome with generated keys by their order, and times of the database by their presence (rule 5)."""
    keys = {name for name in example.spec.classes.generated if not any(name in row.cells for row in example.rows)}
    result = Outcome(outcome.error, {}, {}, outcome.events)
    ranks = {name: ranks_of(outcome, name) for name in keys}
    if example.spec.tables.makes_keys:
        ranks = {name: dict.fromkeys(values, "a key") for name, values in ranks.items()}
    for tag, row in outcome.stored.items():
        result.stored[tag] = {
            name: ranks[name][value]
            if name in keys and value in ranks[name]
            else own_reference(name, value, row) or canonical_value(example, name, value)
            for name, value in row.items()
        }
    for tag, instance in outcome.instances.items():
        result.instances[tag] = {}
        for name, value in instance.items():
            key = outcome.stored.get(tag, {})
            if name in keys:
                result.instances[tag][name] = own_key(value, key.get(name))
            elif name == "(key)" and keys:
                result.instances[tag][name] = own_identity(value, [key.get(name) for name in sorted(keys)])
            else:
                result.instances[tag][name] = canonical_value(example, name, value)
    return result


def ranks_of(outcome: Outcome, name: str) -> dict[str | None, str]:
    values = {row.get(name) for row in outcome.stored.values()}
    numbers = sorted((value for value in values if value and value.lstrip("-").isdigit()), key=int)
    return {value: f"key {place}" for place, value in enumerate(numbers)}


def own_reference(name: str, value: str | None, row: dict[str, str | None]) -> str | None:
    """Return whether a further table of a derived class refers to the row, and a related row's key by its presence."""
    if name.startswith("id of ") and value == row.get("id"):
        return "its row's key"
    return "(a reference)" if name.endswith("_id") and value not in {None, "NULL"} else None


def own_key(value: str, stored: str | None) -> str:
    """Return whether an instance's key is that of its own row, if it has one."""
    if value in {UNLOADED, "NoneType None"}:
        return value
    if stored is None:
        return "a key without a row"
    return "its row's key" if value == f"int {stored}" else "not its row's key"


def own_identity(value: str, stored: list[str | None]) -> str:
    """Return an identity key with the row's own key by its name."""
    if len(stored) != 1 or value == "None":
        return value
    model, _, identity = value.partition(" ")
    if stored[0] is None:
        return f"{model} a key without a row"
    return f"{model} {'its' if identity == f'({stored[0]},)' else 'not its'} row's key"


def canonical_value(example: Example, name: str, value: str | None) -> str | None:
    kind = COLUMNS.get(name)
    if kind is not None and kind.has_clock and value is not None and TIME.fullmatch(value):
        return "(a time)"
    return value
