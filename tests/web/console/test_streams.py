import asyncio

import aiohttp

from syneudp.web.console.streams import STREAMS_A_CUSTOMER_MAX
from tests.web.console.browsing import PASSWORD
from tests.web.stand import Stand, served

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
ENDS_WITHIN_SECONDS = 3.0


async def signed_in(base: str) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True))
    form = {"email": "streams@example.com", "password": PASSWORD}
    async with session.post("/sign-up", data=form, headers=OWN_PAGE) as answer:
        assert answer.status == 200
    return session


async def test_a_stream_tells_at_once_then_what_changes_and_ends_with_the_role(stand: Stand) -> None:
    async with served(stand.app, stand.services.settings.bind) as base:
        session = await signed_in(base)
        async with session, session.get("/wallet/stream") as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            assert stream.headers["Cache-Control"] == "no-store"
            first = await asyncio.wait_for(stream.content.readuntil(b"</hx-partial>\n\n"), 10)
            assert b"data: " in first
            async with session.post("/wallet/top-ups", data={"amount": "7"}, headers=OWN_PAGE) as answer:
                assert answer.status == 200
            news = await asyncio.wait_for(stream.content.readuntil(b"</hx-partial>\n\n"), 5)
            assert "€7.00".encode() in news
            stand.services.stopping.set()
            assert await asyncio.wait_for(stream.content.read(), ENDS_WITHIN_SECONDS) == b""


async def test_one_customer_cannot_hold_streams_without_end(stand: Stand) -> None:
    async with served(stand.app, stand.services.settings.bind) as base:
        session = await signed_in(base)
        async with session:
            streams = [await session.get("/wallet/stream") for _ in range(STREAMS_A_CUSTOMER_MAX)]
            for stream in streams:
                await stream.content.readline()
            async with session.get("/databases/stream", headers={"Accept": "text/event-stream"}) as refused:
                assert refused.status == 429
            for stream in streams:
                stream.close()
        stand.services.stopping.set()
