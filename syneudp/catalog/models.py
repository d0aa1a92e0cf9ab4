"""Tables of the catalog, private to it."""

from tortoise import fields
from tortoise.models import Model


class Plan(Model):
    """What is sold."""

    id = fields.UUIDField(primary_key=True)
    slug = fields.TextField()
    engine = fields.TextField()
    name = fields.TextField()
    position = fields.IntField()
    max_connections = fields.IntField()
    temp_bytes = fields.BigIntField()
    storage_limit_bytes = fields.BigIntField()
    statement_seconds = fields.IntField()
    idle_transaction_seconds = fields.IntField()
    memory_bytes = fields.BigIntField()

    class Meta:
        """Where the rows stand."""

        table = "plans"


class PlanPrice(Model):
    """A price version of a plan, from an instant on."""

    id = fields.UUIDField(primary_key=True)
    plan_id = fields.UUIDField()
    begins_at = fields.BigIntField()
    currency = fields.TextField()
    price_micros_per_hour = fields.BigIntField()
    storage_price_micros_per_gib_hour = fields.BigIntField()

    class Meta:
        """Where the rows stand."""

        table = "plan_prices"


class Host(Model):
    """Where instances are placed."""

    id = fields.UUIDField(primary_key=True)
    name = fields.TextField()
    engine = fields.TextField()
    agent_url = fields.TextField()
    state = fields.TextField(default="open")
    capacity_instances = fields.IntField()
    capacity_bytes = fields.BigIntField(null=True)
    placed_instances = fields.IntField(default=0)
    placed_bytes = fields.BigIntField(default=0)
    engine_version = fields.TextField(default="")
    asked_at = fields.BigIntField(null=True)
    unreachable_since = fields.BigIntField(null=True)
    created_at = fields.BigIntField()

    class Meta:
        """Where the rows stand."""

        table = "hosts"
