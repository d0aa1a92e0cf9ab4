"""The tables of this room that are read and written through the ORM; the others are raw SQL, since they are locked."""

from tortoise import fields
from tortoise.models import Model


class InstanceEvent(Model):
    """Something that happened to an instance; rows are only ever added. `happened_at` is in epoch seconds."""

    id = fields.UUIDField(primary_key=True)
    instance_id = fields.UUIDField()
    kind = fields.TextField()
    actor = fields.TextField()
    generation = fields.BigIntField()
    happened_at = fields.BigIntField()
    detail = fields.TextField(default="")

    class Meta:
        """Where the rows stand."""

        table = "instance_events"
