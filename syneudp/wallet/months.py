"""Months as statements have them: in UTC, half-open, written YYYY-MM."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from syneudp.kernel import clock
from syneudp.wallet.errors import MonthInvalidError

WRITTEN: Final = re.compile(r"(20[0-9]{2}|2100)-(0[1-9]|1[0-2])", re.ASCII)
MONTHS_A_YEAR: Final = 12


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of the years 2000 to 2100, from its first second until the first of the next (epoch seconds, UTC)."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read YYYY-MM. Raises MonthInvalidError."""
        found = WRITTEN.fullmatch(text)
        if found is None:
            raise MonthInvalidError
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, epoch_seconds: int) -> Self:
        """Find the month that an instant lies in."""
        moment = clock.instant(epoch_seconds)
        return cls(moment.year, moment.month)

    @property
    def begins_at(self) -> int:
        """The month's first second."""
        return clock.epoch(datetime(self.year, self.number, 1, tzinfo=UTC))

    @property
    def ends_at(self) -> int:
        """The first second after the month."""
        return self.next().begins_at

    def next(self) -> "Month":
        """Name the month after this one."""
        return Month(self.year + self.number // MONTHS_A_YEAR, self.number % MONTHS_A_YEAR + 1)

    def __str__(self) -> str:
        """Write YYYY-MM."""
        return f"{self.year:04d}-{self.number:02d}"
