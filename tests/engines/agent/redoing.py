from collections.abc import Sequence

from syneudp.engines.agent.background import Background
from syneudp.engines.agent.driver import Driver, Unfinished
from syneudp.engines.agent.host import Host
from syneudp.engines.agent.served import ServedEngine


async def host_of(driver: Driver) -> Host:
    served = ServedEngine(driver)
    await served.open()
    return Host([served])


async def redo(driver: Driver) -> Sequence[Unfinished]:
    """Finish what a dead agent left, as the next one does at its start; answer what stays unfinished."""
    await Background(await host_of(driver), driver.engine).redo()
    return await driver.pending()
