"""Identity's tables; private to this room. Their constraints are SQL in the migration."""

from tortoise import fields
from tortoise.models import Model


class UserRow(Model):
    """A customer."""

    id = fields.UUIDField(primary_key=True)
    email = fields.TextField()
    created_at = fields.BigIntField()

    class Meta:
        """Where it stands."""

        table = "users"


class WebSessionRow(Model):
    """A console session."""

    id = fields.UUIDField(primary_key=True)
    secret_hash = fields.BinaryField()
    user: fields.ForeignKeyRelation[UserRow] = fields.ForeignKeyField("models.UserRow", related_name="web_sessions")
    auth_session_id = fields.UUIDField()
    access_token_sealed = fields.BinaryField(null=True)
    refresh_token_sealed = fields.BinaryField(null=True)
    access_expires_at = fields.BigIntField()
    refresh_claim = fields.UUIDField(null=True)
    refreshing_until = fields.BigIntField(null=True)
    created_at = fields.BigIntField()
    last_seen_at = fields.BigIntField()
    ended_at = fields.BigIntField(null=True)
    ended_because = fields.TextField(null=True)
    address = fields.TextField()
    user_agent = fields.TextField()

    class Meta:
        """Where it stands."""

        table = "web_sessions"


class AuditEventRow(Model):
    """One entry of the audit trail."""

    id = fields.UUIDField(primary_key=True)
    user: fields.ForeignKeyNullableRelation[UserRow] = fields.ForeignKeyField(
        "models.UserRow", related_name="audit_events", null=True
    )
    actor = fields.TextField()
    act = fields.TextField()
    subject = fields.TextField()
    address = fields.TextField()
    user_agent = fields.TextField()
    reason = fields.TextField(default="")
    happened_at = fields.BigIntField()

    class Meta:
        """Where it stands."""

        table = "audit_events"
