import asyncio
import base64
import hashlib
import hmac
import secrets
import struct
from contextlib import suppress
from typing import Final

from tests.engines.agent.postgresql.tenants import Tenant

SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)
PROTOCOL: Final = 196608
READY: Final = b"Z"
FAILED: Final = b"E"
SASL_FINAL: Final = 12


class RefusedError(Exception):
    pass


class SlowLogin:
    """A login that has its verifier chosen by the server and then waits before it proves its password."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, password: str) -> None:
        self._reader = reader
        self._writer = writer
        self._password = password
        self._bare = ""
        self._first = ""

    async def finish(self) -> None:
        fields = dict(part.split("=", 1) for part in self._first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c={base64.b64encode(b'n,,').decode()},r={fields['r']}"
        message = f"{self._bare},{self._first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        proof = base64.b64encode(bytes(one ^ other for one, other in zip(key, signature, strict=True))).decode()
        self._send(b"p", f"{without_proof},p={proof}".encode())
        await self._until_ready()

    async def query(self, sql: str) -> None:
        self._send(b"Q", sql.encode() + b"\0")
        await self._until_ready()

    def close(self) -> None:
        self._writer.transport.abort()

    async def begin(self, username: str, database: str) -> None:
        startup = struct.pack("!i", PROTOCOL) + f"user\0{username}\0database\0{database}\0\0".encode()
        self._writer.write(struct.pack("!i", len(startup) + 4) + startup)
        await self._read()
        self._bare = f"n=,r={secrets.token_urlsafe(18)}"
        first = f"n,,{self._bare}".encode()
        self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
        _, body = await self._read()
        self._first = body[4:].decode()

    def _send(self, kind: bytes, body: bytes) -> None:
        self._writer.write(kind + struct.pack("!i", len(body) + 4) + body)

    async def _read(self) -> tuple[bytes, bytes]:
        header = await self._reader.readexactly(5)
        body = await self._reader.readexactly(struct.unpack("!i", header[1:])[0] - 4)
        if header[:1] == FAILED:
            raise RefusedError(body.decode(errors="replace"))
        return header[:1], body

    async def _until_ready(self) -> None:
        kind = b""
        while kind != READY:
            kind, _ = await self._read()


async def begin_login(tenant: Tenant) -> SlowLogin:
    reader, writer = await asyncio.open_connection(tenant.server.host, tenant.server.port)
    writer.write(SSL_REQUEST)
    await reader.readexactly(1)
    await writer.start_tls(tenant.server.tls_context(), server_hostname=tenant.server.host)
    login = SlowLogin(reader, writer, tenant.password)
    await login.begin(tenant.username, tenant.database)
    return login


async def ended(login: SlowLogin) -> bool:
    with suppress(RefusedError, OSError, EOFError):
        for _ in range(100):
            await login.query("SELECT 1")
            await asyncio.sleep(0.1)
        return False
    return True
