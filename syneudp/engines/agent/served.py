"""One engine of the host over its life: opened, and tried again while it is out of reach."""

import asyncio
from typing import Final

from syneudp.engines.agent.driver import Driver, EngineFacts
from syneudp.engines.agent.errors import (
    EngineLoginRefusedError,
    EngineUnavailableError,
    EngineUnpreparedError,
    EngineUnsupportedError,
)
from syneudp.engines.agent.spares import fill
from syneudp.engines.contract import Engine
from syneudp.kernel.logging import log

FILL_PAUSE_SECONDS: Final = 0.2
OPEN_SECONDS_MAX: Final = 30.0
LOGIN_TRIES: Final = 5
LOGIN_PAUSE_SECONDS: Final = 1.0


class ServedEngine:
    """A driver that is handed out only once its server was found prepared, and its warm pool of so many spares.

    Setting `spare_taken` wakes whoever repeats `fill`.
    """

    def __init__(self, driver: Driver, *, warm_pool: int = 0) -> None:
        self.spare_taken = asyncio.Event()
        self._driver = driver
        self._warm_pool = warm_pool
        self._facts: EngineFacts | None = None

    @property
    def engine(self) -> Engine:
        """Tell the engine's name."""
        return self._driver.engine

    @property
    def facts(self) -> EngineFacts:
        """Tell what was found at opening. Raises EngineUnavailableError before that."""
        if self._facts is None:
            raise EngineUnavailableError
        return self._facts

    @property
    def driver(self) -> Driver:
        """Hand out the driver. Raises EngineUnavailableError while the engine was never reached."""
        if self._facts is None:
            raise EngineUnavailableError
        return self._driver

    async def open(self) -> None:
        """Open the engine for the first time. One out of reach, or that hangs for OPEN_SECONDS_MAX, is left for `keep`.

        A login is refused for a moment while a server starts or fails over, so it is tried LOGIN_TRIES times, a second
        apart. Raises EngineUnsupportedError and EngineUnpreparedError.
        """
        tries_left = LOGIN_TRIES
        while tries_left:
            tries_left -= 1
            try:
                await self._open()
            except EngineLoginRefusedError:
                if not tries_left:
                    raise
                log.warning("engine_refuses_login", engine=self.engine.value, tries_left=tries_left)
                await asyncio.sleep(LOGIN_PAUSE_SECONDS)
            else:
                return

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                self._facts = await self._driver.open()
        except (EngineUnavailableError, TimeoutError):
            log.warning("engine_not_reached", engine=self.engine.value)
            return
        log.info("engine_opened", engine=self.engine.value, flavour=self._facts.flavour, version=self._facts.version)

    async def keep(self) -> None:
        """Open the engine if it is not open yet.

        An engine that turns out unprepared or unsupported while the agent serves stays unavailable, is told in the log
        and is tried again in the next round: its neighbours on this host go on.
        """
        if self._facts is not None:
            return
        try:
            await self._open()
        except (EngineUnpreparedError, EngineUnsupportedError) as refusal:
            log.error("engine_refused", engine=self.engine.value, reason=str(refusal))

    async def fill(self, stopping: asyncio.Event) -> None:
        """Bring the engine's spares to their number, and wait a moment first, while a burst of creations passes."""
        if self._facts is not None:
            await asyncio.sleep(FILL_PAUSE_SECONDS)
            try:
                await fill(self._driver, size=self._warm_pool, stopping=stopping)
            except EngineUnavailableError:
                log.warning("engine_not_reached", engine=self.engine.value)

    async def close(self) -> None:
        """Close the driver's connections."""
        self._facts = None
        await self._driver.close()
