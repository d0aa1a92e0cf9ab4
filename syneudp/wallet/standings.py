"""Where wallets stand, read in one statement, locked or not: their money, and what is used on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import UUID

from syneudp.kernel.database import Connection, load_sql, rows
from syneudp.kernel.money import SECONDS_PER_HOUR
from syneudp.wallet import cap_rules, rules
from syneudp.wallet.segment_records import segment_from
from syneudp.wallet.spending import spendings_through
from syneudp.wallet.values import Cap, EndCause, Segment, Spending, UsageEnd


@dataclass(frozen=True, slots=True)
class Standing:
    """A wallet and its open segments with the changes ahead of them. `end` is as it was written down.

    `spending` is known where there is a cap.
    """

    wallet_id: UUID
    currency: str
    balance_micros: int
    debt_micros: int
    posted_through_at: int
    end: UsageEnd | None
    segments: tuple[Segment, ...]
    cap: Cap | None = None
    spending: Spending | None = None

    def computed_end(self) -> UsageEnd | None:
        """Compute when the money or the cap ends what runs, whatever was written down."""
        return cap_rules.usage_end(
            self.segments,
            posted_through_at=self.posted_through_at,
            balance_micros=self.balance_micros,
            cap=self.cap,
            spending=self.spending,
        )

    def end_by(self, now: int) -> UsageEnd | None:
        """Tell what ends what runs: as it was written down, unless a price has changed since that was to be."""
        changed = any(change.at <= now for segment in self.segments for change in segment.coming)
        return self.computed_end() if changed else self.end

    def ends_at(self, now: int) -> int | None:
        """Tell when what runs ends, for whatever reason."""
        end = self.end_by(now)
        return None if end is None else end.at

    def accrued(self, now: int) -> dict[UUID, int]:
        """Tell what each resource has used up to `now`, and no further than the money goes, that is not posted yet."""
        ends_at = self.ends_at(now)
        until_at = now if ends_at is None else min(now, ends_at)
        return {
            segment.resource_id: rules.charge(segment, self.posted_through_at, until_at) for segment in self.segments
        }


async def standing(connection: Connection, wallet_id: UUID) -> Standing:
    """Read where one wallet stands: under its lock, where it stands for the rest of the transaction until it moves."""
    [found] = await standings(connection, wallet_ids=[wallet_id])
    return found


async def standings(
    connection: Connection, *, wallet_ids: Sequence[UUID] = (), resource_ids: Sequence[UUID] = ()
) -> list[Standing]:
    """Read where these wallets stand, and those on which these resources are used."""
    found = await rows(connection, load_sql(__file__, "standing.sql"), list(wallet_ids), list(resource_ids))
    stand = [_standing(list(told)) for _, told in groupby(found, key=lambda each: each["wallet_id"])]
    capped = {each.wallet_id: each.posted_through_at for each in stand if each.cap is not None}
    if not capped:
        return stand
    spendings = await spendings_through(connection, capped)
    return [replace(each, spending=spendings.get(each.wallet_id)) for each in stand]


def _standing(told: list[dict[str, object]]) -> Standing:
    first = told[0]
    posted_through = first["posted_through"]
    return Standing(
        wallet_id=UUID(str(first["wallet_id"])),
        currency=str(first["currency"]),
        balance_micros=int(str(first["balance_micros"])),
        debt_micros=int(str(first["debt_micros"])),
        posted_through_at=int(str(posted_through)) * SECONDS_PER_HOUR,
        end=None if first["why"] is None else UsageEnd(int(str(first["depletes_at"])), EndCause(str(first["why"]))),
        segments=tuple(segment_from(each) for each in told if each["resource_id"] is not None),
        cap=None if first["cap_micros"] is None else Cap(int(str(first["cap_micros"])), int(str(first["cap_set_at"]))),
    )
