"""Tortoise's view of the books, for the migration tool; every read and write of money is SQL of its own."""

from tortoise import fields
from tortoise.models import Model


class Account(Model):
    """An account and the balance that the trigger on entries keeps."""

    id = fields.UUIDField(primary_key=True)
    kind = fields.TextField()
    shard = fields.SmallIntField()
    currency = fields.TextField()
    provider = fields.TextField(default="")
    balance_micros = fields.BigIntField(default=0)
    last_sequence = fields.BigIntField(default=0)
    created_at = fields.BigIntField()

    class Meta:
        """Where the rows stand."""

        table = "accounts"


class TransferRow(Model):
    """A transfer's header."""

    id = fields.UUIDField(primary_key=True)
    shard = fields.SmallIntField()
    reason = fields.TextField()
    idempotency_key = fields.TextField()
    digest = fields.BinaryField()
    entry_count = fields.IntField()
    subject_id = fields.UUIDField(null=True)
    reverses_id = fields.UUIDField(null=True)
    effective_at = fields.BigIntField()
    created_at = fields.BigIntField()

    class Meta:
        """Where the rows stand."""

        table = "transfers"
