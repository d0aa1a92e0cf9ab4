import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from entrypoints.embedded import free_port
from syneudp.kernel.server import serve

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
HOST = b"Host: a.example\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
HEADERS_FRAME = 1
FRAME_HEADER_BYTES = 9
GET_IN_HPACK = b"\0\0\x0a\x01\x05\0\0\0\x01" + b"\x82\x86\x84\x41\x05a.com"


class Told:
    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                event = (await receive())["type"]
                await send({"type": f"{event}.complete"})
                if event == "lifespan.shutdown":
                    return
        self.paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def told() -> AsyncIterator[tuple[Told, int]]:
    app, port, stopping = Told(), free_port(), asyncio.Event()
    serving = asyncio.create_task(serve(app, binds=[f"127.0.0.1:{port}"], stopping=stopping, grace_seconds=1))
    yield app, port
    stopping.set()
    await serving


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)


async def answer_to(port: int, sent: bytes) -> bytes:
    async with asyncio.timeout(20):
        reader, writer = await connected(port)
        writer.write(sent)
        writer.write_eof()
        heard = await reader.read()
        writer.close()
        return heard


async def test_a_plain_request_is_answered(told: tuple[Told, int]) -> None:
    app, port = told
    answer = await answer_to(port, b"GET /plain HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert app.paths == ["/plain"]


@pytest.mark.parametrize(
    "sent", [PREFACE + GET_IN_HPACK, b"GET /smuggled HTTP/1.1\r\n" + HOST + UPGRADE + b"\r\n" + PREFACE]
)
async def test_http_2_reaches_nothing(told: tuple[Told, int], sent: bytes) -> None:
    app, port = told
    heard = b""
    async with asyncio.timeout(20):
        reader, writer = await connected(port)
        writer.write(sent)
        while HEADERS_FRAME not in frames_of(heard):
            heard += await reader.read(65_536)
        writer.close()
    assert app.paths == []


def frames_of(heard: bytes) -> list[int]:
    left = heard.partition(b"\r\n\r\n")[2] if heard.startswith(b"HTTP/1.1 101") else heard
    found = []
    while len(left) >= FRAME_HEADER_BYTES:
        found.append(left[3])
        left = left[FRAME_HEADER_BYTES + int.from_bytes(left[:3], "big") :]
    return found


@pytest.mark.parametrize("length", [b"0", b"6", b"40"])
async def test_a_request_of_two_lengths_is_refused_and_nothing_after_it_is_read(
    told: tuple[Told, int], length: bytes
) -> None:
    app, port = told
    answer = await answer_to(
        port,
        b"POST /first HTTP/1.1\r\n" + HOST + b"Content-Length: " + length + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /second HTTP/1.1\r\n" + HOST + b"\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "malformed_request"
    assert answer.count(b"HTTP/1.1 ") == 1
    assert app.paths == []


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
)
async def test_what_is_no_proper_request_reaches_nothing(told: tuple[Told, int], sent: bytes) -> None:
    app, port = told
    assert (await answer_to(port, sent))[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 431"}
    assert app.paths == []
