"""Recompute what wallets paid from their segments and name every row that breaks a rule."""

from typing import Final

from syneudp.kernel.database import PATIENT_SECONDS, Connection, load_sql, rows
from syneudp.ledger import SHARDS, Finding
from syneudp.wallet.cap_rules import in_sight
from syneudp.wallet.standings import standings
from syneudp.wallet.values import UsageEnd

RULE_FILES: Final = (
    "audit_usage.sql",
    "audit_caps.sql",
    "audit_prices.sql",
    "audit_hours.sql",
    "audit_money_in.sql",
    "audit_payments.sql",
    "audit_debts.sql",
    "audit_set_aside.sql",
    "audit_statements.sql",
)
WALLETS_OF_SHARD: Final = (
    "SELECT w.id FROM wallets w WHERE w.shard = $1 AND NOT EXISTS (SELECT FROM tariff_reckonings r"
    " JOIN usage_segments s ON s.wallet_id = w.id AND s.until_at IS NULL AND s.tariff_id = r.tariff_id"
    " WHERE r.shard = w.shard)"
)


async def audit(connection: Connection) -> list[Finding]:
    """Check usage against the books, hours, segments, depletion and payments.

    The depletion of wallets that wait to be looked at for a price to come is not checked. Reads everything; meant for
    the same REPEATABLE READ transaction as the ledger's own audit.
    """
    findings = [
        Finding(rule=found["rule"], row=found["row"], detail=found["detail"])
        for name in RULE_FILES
        for found in await rows(connection, load_sql(__file__, name), timeout_seconds=PATIENT_SECONDS)
    ]
    return findings + await _depletions(connection)


async def _depletions(connection: Connection) -> list[Finding]:
    findings = []
    for shard in range(SHARDS):
        wallets = [found["id"] for found in await rows(connection, WALLETS_OF_SHARD, shard)]
        findings += [
            Finding(
                rule="depletion_is_the_last_second_paid_for",
                row=str(standing.wallet_id),
                detail=f"{_told(standing.end)} written, {_told(standing.computed_end())} computed",
            )
            for standing in await standings(connection, wallet_ids=wallets)
            if in_sight(standing.computed_end()) != in_sight(standing.end)
        ]
    return findings


def _told(end: UsageEnd | None) -> str:
    return "no end" if end is None else f"{end.at} for the {end.why}"
