"""Prometheus text on a listener of its own, which must be an internal address."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from quart import Quart, Response

from syneudp.kernel.addresses import internal_binds
from syneudp.kernel.server import serve


async def serve_metrics(bind: str, *, registry: CollectorRegistry, stopping: asyncio.Event) -> None:
    """Serve GET /metrics until told to stop. Raises BindRefusedError for an address that is not internal."""
    app = Quart(__name__)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    await serve(app, binds=internal_binds(bind), stopping=stopping)
