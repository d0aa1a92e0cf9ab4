"""Tables of the wallet, private to it; the money in them is moved by SQL of its own."""

from tortoise import fields
from tortoise.models import Model


class Wallet(Model):
    """What a customer has."""

    id = fields.UUIDField(primary_key=True)
    user_id = fields.UUIDField()
    account_id = fields.UUIDField()
    shard = fields.SmallIntField()
    currency = fields.TextField()
    last_event_at = fields.BigIntField()
    created_at = fields.BigIntField()

    class Meta:
        """Where the rows stand."""

        table = "wallets"


class TopUpRow(Model):
    """A payment that was credited."""

    id = fields.UUIDField(primary_key=True)
    wallet_id = fields.UUIDField()
    provider = fields.TextField()
    payment_id = fields.TextField()
    amount_micros = fields.BigIntField()
    transfer_id = fields.UUIDField()
    created_at = fields.BigIntField()

    class Meta:
        """Where the rows stand."""

        table = "top_ups"
