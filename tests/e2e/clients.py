"""Ordinary clients, connecting with what the console shows."""

import ssl

import aiomysql
import asyncpg

from tests.e2e.customer import Facts


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def postgresql(facts: Facts) -> asyncpg.Connection:
    return await asyncpg.connect(facts.uri, timeout=10)


async def mysql(facts: Facts) -> aiomysql.Connection:
    return await aiomysql.connect(
        host=facts.host,
        port=facts.port,
        db=facts.database,
        user=facts.user,
        password=facts.password,
        ssl=unverified(),
        connect_timeout=10,
    )


async def ask_mysql(connection: aiomysql.Connection, sql: str) -> object:
    async with connection.cursor() as cursor:
        await cursor.execute(sql)
        found = await cursor.fetchone()
        return found[0] if found else None
