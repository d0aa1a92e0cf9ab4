"""The agent's HTTP application: the service plane of the contract."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from quart import Quart, Response

from syneudp.engines.agent.apply import Outcome, apply
from syneudp.engines.agent.bodies import BODY_BYTES_MAX, parse_engine, parse_instance_id, read_desired, read_page
from syneudp.engines.agent.errors import DatabaseUnknownError, EngineUnavailableError, GenerationStaleError
from syneudp.engines.agent.guard import TokenGuard, install_guard
from syneudp.engines.agent.host import DEADLINES_SECONDS, Host
from syneudp.engines.agent.turns import OvertakenError
from syneudp.engines.contract import (
    CreateDatabase,
    DatabaseReports,
    Desired,
    Engine,
    EngineReport,
    HostReport,
    State,
    UsageReport,
)
from syneudp.kernel.problems import install_problems

BODY_TIMEOUT_SECONDS: Final = 10
LIVING: Final = frozenset({State.RUNNING, State.SUSPENDED})
STATES: Final = {
    "suspend": frozenset({State.SUSPENDED}),
    "resume": frozenset({State.RUNNING}),
    "rotate": LIVING,
    "terminate": frozenset({State.TERMINATED}),
}


class Health(BaseModel):
    """The agent answers, and so does each of its engines.

    `failing` counts the instances of each engine whose accepted state could not be brought about; it is tried again.
    """

    status: str = "ok"
    engines: dict[str, bool]
    failing: dict[str, int]


def create_app(
    host: Host, *, tokens: Sequence[str] | TokenGuard, names: frozenset[str] = frozenset({"localhost"})
) -> Quart:
    """Compose the agent's application; every request to it needs one of the tokens, an internal peer and its name.

    A guard in the place of tokens may be told of others while the application runs.
    """
    app = Quart("syneudp.engines.agent")
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_SECONDS
    install_problems(app)
    guard = tokens if isinstance(tokens, TokenGuard) else TokenGuard(tokens)
    install_guard(app, guard, names=names)
    _add_changes(app, host)
    _add_reads(app, host)
    _add_probes(app, host)
    return app


def _add_changes(app: Quart, host: Host) -> None:
    async def change(engine_name: str, instance_id_text: str, verb: str) -> Response:
        engine = parse_engine(engine_name)
        host.served(engine)
        instance_id = parse_instance_id(instance_id_text)
        desired = await read_desired(Desired, engine=engine, states=STATES[verb])
        outcome = await _apply_in_turn(host, engine, verb, instance_id, desired)
        return changed(engine, outcome)

    def changed(engine: Engine, outcome: Outcome, *, status: int = 200) -> Response:
        host.metrics.sessions_ended.labels(engine.value).inc(outcome.applied.sessions_ended)
        return _answer(outcome.applied, status=status)

    @app.post("/v1/<engine_name>/databases")
    async def create(engine_name: str) -> Response:
        engine = parse_engine(engine_name)
        host.served(engine)
        desired = await read_desired(CreateDatabase, engine=engine, states=LIVING)
        outcome = await _apply_in_turn(host, engine, "create", desired.instance_id, desired)
        if outcome.created:
            host.metrics.creations.labels(engine.value, str(outcome.from_spare).lower()).inc()
            host.served(engine).spare_taken.set()
        return changed(engine, outcome, status=201 if outcome.created else 200)

    @app.post("/v1/<engine_name>/databases/<instance_id>/suspend")
    async def suspend(engine_name: str, instance_id: str) -> Response:
        return await change(engine_name, instance_id, "suspend")

    @app.post("/v1/<engine_name>/databases/<instance_id>/resume")
    async def resume(engine_name: str, instance_id: str) -> Response:
        return await change(engine_name, instance_id, "resume")

    @app.post("/v1/<engine_name>/databases/<instance_id>/rotate")
    async def rotate(engine_name: str, instance_id: str) -> Response:
        return await change(engine_name, instance_id, "rotate")

    @app.delete("/v1/<engine_name>/databases/<instance_id>")
    async def terminate(engine_name: str, instance_id: str) -> Response:
        return await change(engine_name, instance_id, "terminate")


async def _apply_in_turn(host: Host, engine: Engine, verb: str, instance_id: UUID, desired: Desired) -> Outcome:
    try:
        async with host.turns.taking(engine, instance_id, desired), host.calling(engine, verb) as driver:
            return await apply(driver, instance_id=instance_id, desired=desired, may_create=verb == "create")
    except OvertakenError:
        async with host.calling(engine, "report") as driver:
            raise GenerationStaleError(await driver.report(instance_id)) from None


def _add_reads(app: Quart, host: Host) -> None:
    @app.get("/v1/<engine_name>/databases")
    async def reports(engine_name: str) -> Response:
        engine = parse_engine(engine_name)
        host.served(engine)
        after, limit = read_page()
        async with host.calling(engine, "reports") as driver:
            items = list(await driver.reports(after=after, limit=limit))
            unknown = [] if after is not None else list(await driver.unknown_databases())
        next_cursor = str(items[-1].instance_id) if len(items) == limit else None
        return _answer(DatabaseReports(items=items, unknown=unknown, next_cursor=next_cursor))

    @app.get("/v1/<engine_name>/databases/<instance_id>")
    async def report(engine_name: str, instance_id: str) -> Response:
        engine = parse_engine(engine_name)
        host.served(engine)
        parsed = parse_instance_id(instance_id)
        async with host.calling(engine, "report") as driver:
            found = await driver.report(parsed)
        if found is None:
            raise DatabaseUnknownError
        return _answer(found)

    @app.get("/v1/<engine_name>/usage")
    async def usage(engine_name: str) -> Response:
        engine = parse_engine(engine_name)
        async with host.calling(engine, "usage") as driver:
            items = list(await driver.usage())
        return _answer(UsageReport(items=items))

    @app.get("/v1/host")
    async def describe_host() -> Response:
        return _answer(HostReport(engines=[await describe(engine) for engine in host.engines]))

    async def describe(engine: Engine) -> EngineReport:
        async with host.calling(engine, "host") as driver:
            facts = host.served(engine).facts
            return EngineReport.model_validate(
                {
                    "engine": engine,
                    "flavour": facts.flavour,
                    "version": facts.version,
                    "endpoint": driver.endpoint,
                    "instances": await driver.count_instances(),
                    "spares": await driver.count_spares(),
                }
            )


def _add_probes(app: Quart, host: Host) -> None:
    @app.get("/v1/health")
    async def health() -> Response:
        available = {engine.value: await is_available(engine) for engine in host.engines}
        if not all(available.values()):
            raise EngineUnavailableError(extensions={"engines": available})
        failing = {engine.value: count for engine, count in host.failing.items()}
        return _answer(Health(engines=available, failing=failing))

    @app.get("/v1/metrics")
    async def metrics() -> Response:
        for engine in host.engines:
            await gauge(engine)
        return Response(generate_latest(host.metrics.registry), content_type=CONTENT_TYPE_LATEST)

    async def is_available(engine: Engine) -> bool:
        try:
            async with asyncio.timeout(DEADLINES_SECONDS["probe"]):
                await host.served(engine).driver.ping()
        except (TimeoutError, EngineUnavailableError):
            return False
        return True

    async def gauge(engine: Engine) -> None:
        available = await is_available(engine)
        host.metrics.engine_up.labels(engine.value).set(available)
        host.metrics.failing.labels(engine.value).set(host.failing[engine])
        if available:
            async with asyncio.timeout(DEADLINES_SECONDS["probe"]):
                instances = await host.served(engine).driver.count_instances()
                spares = await host.served(engine).driver.count_spares()
            host.metrics.instances.labels(engine.value).set(instances)
            host.metrics.spares.labels(engine.value).set(spares)


def _answer(told: BaseModel, *, status: int = 200) -> Response:
    return Response(told.model_dump_json(), status=status, content_type="application/json")
