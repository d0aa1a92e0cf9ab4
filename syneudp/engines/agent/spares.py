"""The warm pool: databases made ahead under their final names, locked, so that creating an instance is one short claim.

A spare is a registry row without an instance, with the digest of the statements that made it: only one that this very
release would make is handed out. It is claimed by whoever changes that row first; it is made, mended and
dropped by one agent at a time, the holder of the engine's shelf.
"""

import asyncio
import hashlib
from typing import Final

from syneudp.engines.agent.driver import NAME_RANDOM_CHARACTERS, Driver, Names, RegistryRow, Shelf, Spare, new_names
from syneudp.engines.contract import Limits, State
from syneudp.kernel.identifiers import new_id
from syneudp.kernel.logging import log

SPARE_LIMITS: Final = Limits(max_connections=1, temp_bytes=0)


async def fill(driver: Driver, *, size: int, stopping: asyncio.Event | None = None) -> None:
    """Bring the spares of an engine to `size`: finish what is half made, make what lacks, drop what is too much.

    One that was made in another shape than this release's, from an older template or with other privileges, is dropped.

    Stops between two spares once `stopping` is set, and does nothing where another agent holds the shelf. Raises
    EngineUnavailableError.
    """
    async with driver.shelf() as shelf:
        if shelf is None:
            return
        ready = 0
        for spare in await shelf.spares():
            if spare.ready and spare.whole and spare.current and ready < size:
                ready += 1
            elif not spare.ready or await shelf.withdraw(spare.names):
                ready += await _settle(shelf, spare, keep=spare.current and ready < size)
        while ready < size and not (stopping is not None and stopping.is_set()):
            names = new_names()
            await shelf.reserve(names)
            await shelf.make(names)
            ready += 1


def shape_of(names: Names, *, verifier: str) -> RegistryRow:
    """Describe a spare to statements that shape a tenant; its id is nobody's and is never written down."""
    return RegistryRow(
        instance_id=new_id(),
        database=names.database,
        username=names.username,
        state=State.SUSPENDED,
        made=False,
        accepted_generation=1,
        applied_generation=0,
        credential_version=1,
        applied_credential_version=0,
        verifier=verifier,
        limits=SPARE_LIMITS,
    )


SAMPLE: Final = shape_of(
    Names(database="db" + "a" * NAME_RANDOM_CHARACTERS, username="u" + "a" * NAME_RANDOM_CHARACTERS), verifier=""
)


def digest_of(*statements: str) -> str:
    """Digest the statements that make a spare: 64 hexadecimal digits of SHA-256."""
    return hashlib.sha256("\0".join(statements).encode()).hexdigest()


async def _settle(shelf: Shelf, spare: Spare, *, keep: bool) -> int:
    if keep:
        await shelf.make(spare.names)
    else:
        await shelf.discard(spare.names)
    log.info("spare_settled", database=spare.names.database, kept=keep, was_ready=spare.ready)
    return int(keep)
