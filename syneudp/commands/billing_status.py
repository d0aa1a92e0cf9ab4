"""Tell an operator how far billing has come and what waits."""

from dataclasses import dataclass
from typing import Any, Final

from syneudp import instances, wallet
from syneudp.kernel import clock
from syneudp.kernel.clock import rfc3339
from syneudp.kernel.database import Connection, load_sql, row, rows, value
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.wallet import Quarantine

LAST_CLOSES: Final = 5
READ_WATERMARK: Final = "SELECT min(closed_through) FROM shards"
READ_ROUNDS: Final = "SELECT loop, finished_at FROM billing_rounds ORDER BY loop"
READ_BEHIND: Final = (
    "SELECT count(*) AS shards, coalesce(sum($1 - closed_through), 0)::bigint AS closes"
    " FROM shards WHERE closed_through < $1"
)
PACE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class HourRun:
    """One closed hour over all its shards: charges in micro-units, instants in epoch seconds.

    The first of its shards was closed at `begun_at` and the last at `closed_at`.
    """

    begins_at: int
    shards: int
    wallets: int
    segments: int
    charge_micros: int
    begun_at: int
    closed_at: int

    @property
    def segments_a_second(self) -> int:
        """How many running segments were charged a second, from the first shard to the last; rounded down."""
        return self.segments // (self.closed_at - self.begun_at + 1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many hours of single shards are still to be closed, and how many were in the last minute.

    `seconds` is how long ago the first of those was closed, at most a minute.
    """

    closes_left: int
    closes: int
    segments: int
    seconds: int

    @property
    def seconds_left(self) -> int | None:
        """How long the rest takes at the pace of the last minute; None while nothing is closed."""
        return -(-self.closes_left * self.seconds // self.closes) if self.closes else None

    def line(self) -> str:
        """Write the progress as a line for a terminal."""
        if not self.closes_left:
            return "Nothing is left to close."
        told = f"To close: {self.closes_left} hours of single shards"
        if self.seconds_left is None:
            return f"{told}; none was closed in the last minute."
        return (
            f"{told}; {self.closes // self.seconds} a second with {self.segments // self.seconds} segments,"
            f" about {self.seconds_left} s left."
        )


@dataclass(frozen=True, slots=True)
class BillingStatus:
    """Every shard is posted through `closed_through_at`; the lag counts from there to the last full hour."""

    now: int
    closed_through_at: int
    lag_seconds: int
    shards_behind: int
    progress: Progress
    last_runs: tuple[HourRun, ...]
    last_rounds: dict[str, int]
    pending_deliveries: int
    set_aside: tuple[Quarantine, ...]

    def lines(self) -> list[str]:
        """Write the status as lines for a terminal."""
        told = [
            f"Closed through {rfc3339(self.closed_through_at)}, {self.lag_seconds} s behind.",
            f"Shards with hours to close: {self.shards_behind}.",
            self.progress.line(),
            f"Deliveries pending: {self.pending_deliveries}.",
        ]
        told += [
            f"Hour {rfc3339(run.begins_at)}: {run.shards} shards, {run.wallets} wallets, {run.segments} segments,"
            f" {run.charge_micros} micro-units, closed by {rfc3339(run.closed_at)}, {run.segments_a_second} segments"
            " a second."
            for run in self.last_runs
        ]
        told += [
            f"Set aside: wallet {aside.wallet_id}, not posted from {rfc3339(aside.hour * SECONDS_PER_HOUR)} on:"
            f" {aside.why}"
            for aside in self.set_aside
        ]
        told += [f"Loop {loop}: last done {self.now - at} s ago." for loop, at in self.last_rounds.items()]
        return told if self.last_rounds else [*told, "No billing process has run yet."]


async def billing_status(connection: Connection) -> BillingStatus:
    """Read how far each shard's hours are closed, the last runs, and how many deliveries wait."""
    now = await clock.now(connection)
    watermark = int(await value(connection, READ_WATERMARK))
    this_hour = now // SECONDS_PER_HOUR
    found = await rows(connection, load_sql(__file__, "last_runs.sql"), LAST_CLOSES)
    behind: Any = await row(connection, READ_BEHIND, this_hour)
    pace: Any = await row(connection, load_sql(__file__, "last_pace.sql"), now, PACE_SECONDS)
    return BillingStatus(
        now=now,
        closed_through_at=watermark * SECONDS_PER_HOUR,
        lag_seconds=max(0, this_hour - watermark) * SECONDS_PER_HOUR,
        shards_behind=behind["shards"],
        progress=Progress(closes_left=behind["closes"], **pace),
        last_runs=tuple(
            HourRun(
                begins_at=told["hour"] * SECONDS_PER_HOUR,
                shards=told["shards"],
                wallets=told["wallets"],
                segments=told["segments"],
                charge_micros=told["charge_micros"],
                begun_at=told["begun_at"],
                closed_at=told["closed_at"],
            )
            for told in found
        ),
        last_rounds={told["loop"]: told["finished_at"] for told in await rows(connection, READ_ROUNDS)},
        pending_deliveries=await instances.count_pending(connection),
        set_aside=tuple(await wallet.quarantines(connection)),
    )
