"""What goes to a server in one trip, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with the values of its `%(name)s` marks; without values a `%` in it stands for itself."""

    sql: str
    parameters: Mapping[str, Any] | None = None

    @classmethod
    def among(cls, sql: str, names: Sequence[str]) -> Self:
        """Make `%(names)s` in a query stand for a list of at least one text."""
        parameters = {f"name_{number}": name for number, name in enumerate(names)}
        marks = ", ".join(f"%({mark})s" for mark in parameters)
        return cls(sql.replace("%(names)s", f"({marks})"), parameters)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement came to: its rows, and how many rows it touched."""

    rows: list[dict[str, Any]]
    touched: int
