import socket

import pytest
from quart import Quart, Response

from syneudp.engines.agent.app import create_app
from syneudp.engines.agent.guard import TokenGuard, is_own_host
from syneudp.engines.agent.host import Host
from syneudp.engines.agent.listen import open_internal_sockets, require_internal
from syneudp.kernel.addresses import BindRefusedError

TOKEN = "a token of more than thirty-two bytes"
HEADERS = {"X-Agent-Token": TOKEN}


@pytest.fixture
def app() -> Quart:
    return create_app(Host([]), tokens=[TOKEN])


@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.9.9", "::1", "fd00::1", "::ffff:10.0.0.1"]
)
async def test_an_internal_peer_with_the_token_is_answered(app: Quart, peer: str) -> None:
    answer = await app.test_client().get("/v1/health", headers=HEADERS, scope_base={"client": (peer, 1)})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "peer", ["8.8.8.8", "172.32.0.1", "169.254.1.1", "fe80::1", "::ffff:8.8.8.8", "2001:db8::1", "", "x"]
)
async def test_any_other_peer_is_refused_whatever_it_claims_to_be(app: Quart, peer: str) -> None:
    claims = {"X-Forwarded-For": "127.0.0.1", "Remote-Addr": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    answer = await app.test_client().get("/v1/health", headers=HEADERS | claims, scope_base={"client": (peer, 1)})
    assert answer.status_code == 403
    assert (await answer.get_json())["code"] == "peer_refused"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8100", "127.0.0.1:8100", "10.0.0.7", "[::1]:8100", "agent.planes:8100"]
)
async def test_a_request_to_an_internal_address_or_to_the_agents_own_name_is_answered(host: str) -> None:
    app = create_app(Host([]), tokens=[TOKEN], names=frozenset({"localhost", "agent.planes"}))
    assert (await ask(app, host)).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["", "rebound.example", "8.8.8.8", "127.0.0.1.example", "localhost.example", "a@127.0.0.1", "[::ffff:8.8.8.8]"]
    + ["169.254.169.254", "0.0.0.0", "127.0.0.1:8100:1", "127.1", "2130706433", "agent.planes.example"],
)
async def test_a_request_to_any_other_host_is_refused_before_its_token_is_looked_at(host: str) -> None:
    app = create_app(Host([]), tokens=[TOKEN], names=frozenset({"localhost", "agent.planes"}))
    answer = await ask(app, host)
    assert answer.status_code == 421
    assert (await answer.get_json())["code"] == "host_refused"


def test_two_host_headers_are_none() -> None:
    assert not is_own_host(["127.0.0.1", "127.0.0.1"], names=frozenset())
    assert not is_own_host([], names=frozenset())


async def ask(app: Quart, host: str) -> Response:
    return await app.test_client().get(
        "/v1/health", headers=HEADERS | {"Host": host}, scope_base={"client": ("127.0.0.1", 1)}
    )


async def test_a_peer_without_an_address_is_refused(app: Quart) -> None:
    answer = await app.test_client().get("/v1/health", headers=HEADERS, scope_base={"client": None})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "presented", [[], [""], [TOKEN[:-1]], [TOKEN + " "], [TOKEN.upper()], [TOKEN, TOKEN], ["日" * 40]]
)
def test_only_the_one_token_itself_is_accepted(presented: list[str]) -> None:
    assert not TokenGuard([TOKEN]).accepts(presented)
    assert TokenGuard(["another", TOKEN]).accepts([TOKEN])


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0", "8.8.8.8:0", "localhost:0", "[::ffff:8.8.8.8]:0"])
def test_no_socket_opens_on_an_address_that_is_not_internal(bind: str) -> None:
    with pytest.raises(BindRefusedError):
        open_internal_sockets(["127.0.0.1:0", bind])


def test_nothing_at_all_is_no_address() -> None:
    with pytest.raises(BindRefusedError):
        open_internal_sockets([])


def test_every_address_is_bound_and_looked_at_again() -> None:
    opened = open_internal_sockets(["127.0.0.1:0", "[::1]:0"])
    assert [bound.getsockname()[0] for bound in opened] == ["127.0.0.1", "::1"]
    for bound in opened:
        bound.close()
    with socket.socket() as everywhere:
        everywhere.bind(("0.0.0.0", 0))
        with pytest.raises(BindRefusedError):
            require_internal([everywhere])
