"""The one place where generations are fenced: every verb of the wire is a face of `apply`.

Intent is written before the engine's statements and the outcome after them, both under the instance's lock in the
engine, so that whoever dies in between leaves a row that `redo` finishes (see `syneudp.engines.agent.background`).
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from syneudp.engines.agent.driver import Claim, Driver, RegistryRow, Unfinished, new_names
from syneudp.engines.agent.errors import (
    DatabaseTerminatedError,
    DatabaseUnknownError,
    FencedError,
    GenerationConflictError,
    GenerationStaleError,
)
from syneudp.engines.contract import Applied, Desired, Scheme, State
from syneudp.kernel.logging import log


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a changing call came to.

    `created` says that this call was the first to hear of the instance, `from_spare` that a spare became it.
    """

    applied: Applied
    created: bool
    from_spare: bool


async def apply(driver: Driver, *, instance_id: UUID, desired: Desired, may_create: bool) -> Outcome:
    """Bring one instance to its desired state, or refuse because a newer one was accepted.

    `desired.verifiers` must hold the driver's scheme. Without `may_create` an unknown instance is refused, except
    that a termination leaves a tombstone. Raises GenerationStaleError, GenerationConflictError,
    DatabaseTerminatedError, DatabaseUnknownError, DatabaseMissingError and EngineUnavailableError.
    """
    try:
        return await _apply_locked(driver, instance_id, desired, may_create=may_create)
    except GenerationStaleError:
        raise GenerationStaleError(await driver.report(instance_id)) from None


async def redo(driver: Driver, unfinished: Unfinished) -> None:
    """Carry out what was accepted and not applied, unless something newer was accepted meanwhile.

    Raises what the engine's statements raise, EngineUnavailableError among them; the row then stays unfinished.
    """
    async with driver.claim(unfinished.instance_id) as claim:
        row = claim.known
        if row is None or not row.applied_generation < row.accepted_generation == unfinished.generation:
            return
        await _carry_out(claim, row)
    log.info("redone", instance_id=str(unfinished.instance_id), generation=unfinished.generation)


async def end_outlived(driver: Driver, instance_id: UUID, *, now: int) -> None:
    """End an instance's previous password if its time is over at `now` (epoch seconds), and write down that it is gone.

    Whoever dies in between leaves the row, so that the next round does it again. Raises EngineUnavailableError.
    """
    async with driver.claim(instance_id) as claim:
        row = claim.known
        if row is None or row.previous_until is None or row.previous_until > now:
            return
        sessions_ended = await claim.end_previous_password(row)
        await claim.write(replace(row, previous_until=None))
    log.info("previous_password_ended", instance_id=str(instance_id), sessions_ended=sessions_ended)


def admit(row: RegistryRow | None, desired: Desired, *, may_create: bool) -> None:
    """Raise unless the desired state may be accepted over what the registry holds."""
    if row is None:
        if not may_create and desired.state is not State.TERMINATED:
            raise DatabaseUnknownError
        return
    if desired.generation < row.accepted_generation:
        raise GenerationStaleError
    if row.is_tombstone and desired.state is not State.TERMINATED:
        raise DatabaseTerminatedError
    if desired.generation == row.accepted_generation and (desired.state, desired.credential_version) != (
        row.state,
        row.credential_version,
    ):
        raise GenerationConflictError


def accept(
    row: RegistryRow | None, desired: Desired, *, instance_id: UUID, scheme: Scheme, now: int, keeps_previous: bool
) -> RegistryRow:
    """Write down an admitted desired state as intent; a new instance gets its names here.

    The time of a previous password begins where its rotation is first accepted, at `now` (epoch seconds), and is not
    moved by whatever repeats that rotation; it ends with a suspension.

    The applied generation stays what it was even where an equal one is carried out again: a report of a lower one
    than before would tell the control plane that the engine was restored from a backup.
    """
    names = new_names()
    known = row or RegistryRow(
        instance_id=instance_id,
        database=names.database,
        username=names.username,
        state=desired.state,
        made=False,
        accepted_generation=0,
        applied_generation=0,
        credential_version=0,
        applied_credential_version=0,
        verifier="",
        limits=desired.limits,
    )
    return replace(
        known,
        state=desired.state,
        accepted_generation=desired.generation,
        credential_version=desired.credential_version,
        verifier=_verifier(known, desired, scheme=scheme),
        limits=desired.limits,
        previous_until=_previous_until(known, desired, now=now) if keeps_previous else None,
    )


def _verifier(known: RegistryRow, desired: Desired, *, scheme: Scheme) -> str:
    """Choose the verifier to keep: the first one of its version, since each sending salts the same password anew.

    So a repetition does not push a previous password out, and a password that the tenant changed in SQL is told from
    the one that was set.
    """
    if desired.state is State.TERMINATED:
        return ""
    if known.verifier and desired.credential_version == known.credential_version:
        return known.verifier
    return desired.verifiers[scheme]


def _previous_until(known: RegistryRow, desired: Desired, *, now: int) -> int | None:
    if desired.state is not State.RUNNING or not desired.previous_password_seconds or not known.made:
        return None
    if desired.credential_version == known.credential_version:
        return known.previous_until
    return now + desired.previous_password_seconds


async def _apply_locked(driver: Driver, instance_id: UUID, desired: Desired, *, may_create: bool) -> Outcome:
    async with driver.claim(instance_id) as claim:
        known = claim.known
        admit(known, desired, may_create=may_create)
        accepted = accept(
            known,
            desired,
            instance_id=instance_id,
            scheme=driver.scheme,
            now=int(time.time()),
            keeps_previous=driver.keeps_previous_password,
        )
        takes = known is None and accepted.state is State.RUNNING
        taken = await _take_spare(claim, accepted) if takes else None
        if taken is not None:
            accepted, sessions_ended = taken, 0
        else:
            await claim.write(accepted)
            sessions_ended = await _carry_out(claim, accepted)
    applied = Applied(
        instance_id=instance_id,
        database=accepted.database,
        username=accepted.username,
        state=accepted.state,
        endpoint=driver.endpoint,
        applied_generation=accepted.accepted_generation,
        credential_version=accepted.credential_version,
        sessions_ended=sessions_ended,
    )
    return Outcome(applied=applied, created=known is None, from_spare=taken is not None)


async def _take_spare(claim: Claim, row: RegistryRow) -> RegistryRow | None:
    async with _newer_brought_about(claim):
        return await claim.take_spare(row)


async def _carry_out(claim: Claim, row: RegistryRow) -> int:
    """Bring about what was accepted and write the outcome down."""
    sessions_ended = await _bring_about(claim, row)
    async with _newer_brought_about(claim):
        await claim.write(_carried_out(row))
    return sessions_ended


@asynccontextmanager
async def _newer_brought_about(claim: Claim) -> AsyncIterator[None]:
    """Bring about once more what the registry says before FencedError goes on.

    Somebody without this lock accepted something newer in between: the statements here came too late and may have
    undone his.
    """
    try:
        yield
    except FencedError:
        newer = await claim.read()
        if newer is not None:
            await _bring_about(claim, newer)
        raise


async def _bring_about(claim: Claim, row: RegistryRow) -> int:
    if row.state is State.TERMINATED:
        return await claim.drop(row)
    if not row.made:
        await claim.create(row)
    if row.state is State.SUSPENDED:
        return await claim.close_login(row)
    rotated = row.made and row.credential_version != row.applied_credential_version
    return await claim.open_login(row, rebuild=row.made, end_sessions=rotated)


def _carried_out(row: RegistryRow) -> RegistryRow:
    return replace(
        row,
        made=row.made or row.state is not State.TERMINATED,
        applied_generation=row.accepted_generation,
        applied_credential_version=row.credential_version,
    )
