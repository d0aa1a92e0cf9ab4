"""Identifiers are UUID version 7 (RFC 9562): unique without asking anyone, and ordered by the time they were made."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Make an identifier. Identifiers are not secrets: 74 of their bits are random and the rest tell the time."""
    return uuid7()
