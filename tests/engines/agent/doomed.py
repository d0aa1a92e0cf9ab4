"""An agent of a test that is killed in the middle: it fills and claims until then. Reads its order from stdin."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from syneudp.engines.agent.apply import apply
from syneudp.engines.agent.driver import Driver
from syneudp.engines.agent.mysql import MySQLDriver
from syneudp.engines.agent.postgresql import PostgreSQLDriver
from syneudp.engines.agent.spares import fill
from syneudp.engines.contract import Desired, Engine, Limits, State
from syneudp.engines.verifiers import generate_password, verifiers_for
from syneudp.kernel.identifiers import new_id

DRIVERS: Mapping[Engine, Callable[..., Driver]] = {Engine.POSTGRESQL: PostgreSQLDriver, Engine.MYSQL: MySQLDriver}


async def live(order: dict[str, Any]) -> None:
    engine = Engine(order["engine"])
    driver = DRIVERS[engine](admin_url=order["admin_url"], endpoint_host=order["host"], endpoint_port=order["port"])
    await driver.open()
    sys.stdout.write("opened\n")
    sys.stdout.flush()
    while True:
        await fill(driver, size=3)
        desired = Desired(
            generation=1,
            state=State.RUNNING,
            credential_version=1,
            verifiers=verifiers_for(engine, generate_password()),
            limits=Limits(max_connections=3, temp_bytes=1024),
        )
        await asyncio.gather(
            *(apply(driver, instance_id=new_id(), desired=desired, may_create=True) for _ in range(2)),
        )


if __name__ == "__main__":
    asyncio.run(live(json.loads(sys.stdin.readline())))
