"""What goes to an agent once, under a lease of the outbox row, with all that the call and its outcome need."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from syneudp.engines.contract import Scheme, State
from syneudp.instances.records import InstanceRecord
from syneudp.instances.rules import Verb, verb_for

LEASE_MARGIN_SECONDS: Final = 3


@dataclass(frozen=True, slots=True)
class Sent:
    """The desired state that went to the agent, and the lease under which it went."""

    instance_id: UUID
    wallet_id: UUID
    generation: int
    state: State
    credential_version: int
    lease_id: UUID
    attempts: int

    def is_still_wanted(self, record: InstanceRecord) -> bool:
        """Tell whether the instance still wants exactly this."""
        return (record.generation, record.wanted, record.credential_version) == (
            self.generation,
            self.state,
            self.credential_version,
        )


@dataclass(frozen=True, slots=True, repr=False)
class Parcel:
    """One delivery that holds its lease; has no repr, since it carries a password in the clear.

    The verifiers are there where they were computed ahead.
    """

    sent: Sent
    record: InstanceRecord
    agent_url: str
    password: str
    previous_seconds: int = 0
    verifiers: Mapping[Scheme, str] | None = None

    @property
    def verb(self) -> Verb:
        """The agent's call that carries it."""
        record = self.record
        return verb_for(record.wanted, ever_applied=record.ever_applied, rotating=record.rotating)


def sent_of(record: InstanceRecord, *, lease_id: UUID, attempts: int) -> Sent:
    """Tell what goes out of a record as it stands."""
    return Sent(
        instance_id=record.id,
        wallet_id=record.wallet_id,
        generation=record.generation,
        state=record.wanted,
        credential_version=record.credential_version,
        lease_id=lease_id,
        attempts=attempts,
    )


def leased_until(now: int, *, seconds: float) -> int:
    """Tell when a lease taken now for a call of so many seconds ends (epoch seconds)."""
    return now + int(seconds) + LEASE_MARGIN_SECONDS
