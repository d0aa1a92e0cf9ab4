"""Clients that never give up: each logs in, writes row after row, and logs in again as soon as it is thrown out.

A process of its own. Reads one JSON line from stdin, then storms until stdin ends, and prints what it did.
"""

import asyncio
import contextlib
import json
import os
import ssl
import sys
from dataclasses import dataclass
from typing import Any

import aiomysql
import asyncpg

WRITES_PAUSE_SECONDS = 0.01
LOGIN_PAUSE_SECONDS = 0.02
CONNECT_TIMEOUT_SECONDS = 10


@dataclass
class Storm:
    """One tenant's login, hammered on; `logins` counts the tries, `admitted` those that were let in."""

    engine: str
    host: str
    port: int
    username: str
    password: str
    database: str
    certificate: str
    logins: int = 0
    admitted: int = 0
    writes: int = 0

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        return context

    async def client(self, context: ssl.SSLContext) -> None:
        come_and_go = self._postgresql if self.engine == "postgresql" else self._mysql
        while True:
            self.logins += 1
            with contextlib.suppress(Exception):
                await come_and_go(context)
            await asyncio.sleep(LOGIN_PAUSE_SECONDS)

    async def _postgresql(self, context: ssl.SSLContext) -> None:
        connection: Any = await asyncpg.connect(
            host=self.host,
            port=self.port,
            user=self.username,
            password=self.password,
            database=self.database,
            ssl=context,
            timeout=CONNECT_TIMEOUT_SECONDS,
            statement_cache_size=0,
        )
        self.admitted += 1
        try:
            while True:
                await connection.execute("INSERT INTO hits DEFAULT VALUES")
                self.writes += 1
                await asyncio.sleep(WRITES_PAUSE_SECONDS)
        finally:
            connection.terminate()

    async def _mysql(self, context: ssl.SSLContext) -> None:
        connection = await aiomysql.connect(
            host=self.host,
            port=self.port,
            user=self.username,
            password=self.password,
            db=self.database,
            ssl=context,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
        )
        self.admitted += 1
        try:
            async with connection.cursor() as cursor:
                while True:
                    await cursor.execute("INSERT INTO hits () VALUES ()")
                    self.writes += 1
                    await asyncio.sleep(WRITES_PAUSE_SECONDS)
        finally:
            connection.close()


async def main() -> None:
    order = json.loads(sys.stdin.readline())
    clients = order.pop("clients")
    storm = Storm(**order)
    context = storm.context()
    running = [asyncio.create_task(storm.client(context)) for _ in range(clients)]
    await asyncio.to_thread(sys.stdin.read)
    stopped = sum(task.done() for task in running)
    told = {"logins": storm.logins, "admitted": storm.admitted, "writes": storm.writes, "stopped": stopped}
    try:
        print(json.dumps(told), flush=True)
    finally:
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
