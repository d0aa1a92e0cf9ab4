"""The first schema: one SQL file a room, lowest floor first, run as one transaction."""

from pathlib import Path

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True
ROOMS = (
    "kernel",
    "identity",
    "catalog",
    "ledger",
    "ledger_posting",
    "ledger_reversals",
    "ledger_seals",
    "ledger_cut_offs",
    "webhooks",
    "wallet",
    "wallet_close",
    "wallet_debts",
    "wallet_caps",
    "wallet_alerts",
    "payments",
    "instances",
    "metering",
    "billing",
)


async def upgrade(db: BaseDBAsyncClient) -> str:
    folder = Path(__file__).parent / "init"
    return "\n".join((folder / f"{room}.sql").read_text(encoding="utf-8") for room in ROOMS)


async def downgrade(db: BaseDBAsyncClient) -> str:
    return "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
