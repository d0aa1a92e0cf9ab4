"""Tortoise's asyncpg backend, opened by a whole URI so that several hosts and TLS options work."""

from typing import Any

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient


async def keep_session(connection: "asyncpg.Connection[Any]") -> None:
    """Hand a session that comes back to the pool on as it is, and save the round trip of asyncpg's reset query.

    asyncpg itself rolls an open transaction back before it asks. There is nothing else to put back: what a unit of work
    sets or locks in its session, it sets and locks for its transaction.
    """
    del connection


class DsnClient(AsyncpgDBClient):
    """An asyncpg pool made from one libpq connection URI, which names every host itself."""

    async def create_pool(self, **kwargs: Any) -> asyncpg.Pool:
        """Open the pool; the separate host, port and login that Tortoise hands over are in the URI already."""
        uri = kwargs.pop("uri")
        for part in ("host", "port", "user", "password", "database"):
            kwargs.pop(part, None)
        return await asyncpg.create_pool(uri, reset=keep_session, **kwargs)


client_class = DsnClient
