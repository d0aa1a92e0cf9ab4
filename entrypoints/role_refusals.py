"""A role that cannot start for want of an address or a server says so in a sentence instead of a traceback."""

import sys
from collections.abc import Awaitable

from entrypoints.commanding import REFUSED_STATUS
from syneudp.kernel.logging import log


async def refusing(work: Awaitable[None], *refusals_too: type[Exception]) -> None:
    """Wait for a role's work; end the process with status 2 where the address is taken or a server out of reach.

    `refusals_too` are what else the role refuses to start for.
    """
    refusals: list[str] = []
    kinds: tuple[type[Exception], ...] = (OSError, *refusals_too)
    try:
        await work
    except* kinds as faults:
        refusals = [str(fault) for fault in faults.exceptions]
    if refusals:
        log.error("role_refused", reasons=refusals)
        sys.exit(REFUSED_STATUS)
    log.info("role_stopped")
