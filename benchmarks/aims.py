"""The aims beside the measured figures: the first table of each page of figures."""

from __future__ import annotations

Row = tuple[str, float, str, float]
"""The measurement's name, the figure, the sense of the bound, and the bound."""


def is_met(row: Row) -> bool:
    """Tell whether a figure is on its side of the bound."""
    _, measured, sense, bound = row
    return measured >= bound if sense == "at least" else measured <= bound


def table(rows: list[Row]) -> list[str]:
    """Return the table's lines."""
    return [
        "| figure | measured | aim | |",
        "| --- | ---: | --- | --- |",
        *(
            f"| {text} | {measured:.2f} | {sense} {bound:g} | {'met' if is_met(row) else '**missed**'} |"
            for row in rows
            for text, measured, sense, bound in [row]
        ),
    ]
