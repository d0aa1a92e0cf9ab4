"""How an instance is written on the wire."""

import asyncio
from uuid import UUID

from pydantic import Field

from syneudp import instances, wallet
from syneudp.engines.contract import Engine
from syneudp.instances import Hold, InstanceView, Rung, Secret, Status
from syneudp.kernel import clock
from syneudp.kernel.database import reading
from syneudp.wallet import Price
from syneudp.web.api.values import (
    IdleTransactionSeconds,
    Instant,
    MemoryBytes,
    Micros,
    StatementSeconds,
    TempBytes,
    Told,
    written,
    written_if,
)


class Connection(Told):
    """Where to connect to; never a password."""

    host: str
    port: int
    database: str
    username: str
    tls: bool


class OpenConnection(Connection):
    """Where to connect to, with the password."""

    password: str
    uri: str


class Limits(Told):
    """What a database may use."""

    max_connections: int
    storage_limit_bytes: int
    temp_bytes: TempBytes
    statement_seconds: StatementSeconds
    idle_transaction_seconds: IdleTransactionSeconds
    memory_bytes: MemoryBytes


class Instance(Told):
    """A database of yours."""

    id: UUID
    name: str
    engine: Engine
    plan: str
    status: Status
    holds: list[Hold]
    created_at: Instant
    ready_at: Instant | None
    connection: Connection | None
    price_micros_per_hour: Micros = Field(
        description="What an hour costs as it is wanted now: running and stored, stored alone, or nothing."
    )
    storage_price_micros_per_hour: Micros = Field(description="What of that is for what it stores.")
    accrued_micros: Micros
    storage_bytes: int
    storage_state: Rung = Field(description="`near` from 80 % of the plan's storage on, `full` from 100 % on.")
    may_grow: bool = Field(description="False while writes that add data are refused, since the storage is full.")
    limits: Limits


class CreatedInstance(Instance):
    """A database just made, with its password."""

    connection: OpenConnection | None


class Credential(Told):
    """A password and the URI that holds it."""

    password: str
    uri: str


class InstanceList(Told):
    """Some of your databases, newest first."""

    items: list[Instance]
    next_cursor: str | None


async def tell_instance(view: InstanceView) -> Instance:
    """Write one instance with what it has accrued and not yet posted."""
    return (await tell_instances([view]))[0]


async def tell_instances(views: list[InstanceView]) -> list[Instance]:
    """Write instances with what each has accrued and not yet posted."""
    connection = reading()
    now = await clock.now(connection)
    accrued, prices = await asyncio.gather(
        wallet.accrued(connection, [view.id for view in views], now), instances.prices_of(connection, views, at=now)
    )
    return [_told(view, price=prices[view.id], accrued_micros=accrued.get(view.id, 0)) for view in views]


def tell_begun(view: InstanceView, price: Price) -> Instance:
    """Write an instance that has begun to run in this second at a price that is known."""
    return _told(view, price=price, accrued_micros=0)


def with_secret(instance: Instance, secret: Secret | None) -> CreatedInstance:
    """Add the password to an instance's connection."""
    connection = instance.connection
    opened = (
        None
        if connection is None or secret is None
        else OpenConnection(**connection.model_dump(), password=secret.password, uri=secret.uri)
    )
    return CreatedInstance(**{**instance.model_dump(), "connection": opened})


def _told(view: InstanceView, *, price: Price, accrued_micros: int) -> Instance:
    return Instance(
        id=view.id,
        name=view.name,
        engine=view.engine,
        plan=view.plan,
        status=view.status,
        holds=sorted(view.holds),
        created_at=written(view.created_at),
        ready_at=written_if(view.ready_at),
        connection=_connection(view),
        price_micros_per_hour=price.price_micros_per_hour,
        storage_price_micros_per_hour=price.storage_micros_per_hour,
        accrued_micros=accrued_micros,
        storage_bytes=view.storage_bytes,
        storage_state=view.ladder.rung,
        may_grow=view.limits.may_grow,
        limits=_limits(view),
    )


def _limits(view: InstanceView) -> Limits:
    return Limits(
        max_connections=view.limits.max_connections,
        storage_limit_bytes=view.storage_limit_bytes,
        temp_bytes=view.limits.temp_bytes,
        statement_seconds=view.limits.statement_seconds,
        idle_transaction_seconds=view.limits.idle_transaction_seconds,
        memory_bytes=view.limits.memory_bytes,
    )


def _connection(view: InstanceView) -> Connection | None:
    found = view.connection
    if found is None:
        return None
    return Connection(host=found.host, port=found.port, database=found.database, username=found.username, tls=found.tls)
