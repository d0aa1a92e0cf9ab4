import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from syneudp.identity import AuthenticationRequiredError, AuthUnavailableError
from syneudp.identity.local_auth import revoke_signing_key, rotate_signing_key
from syneudp.identity.local_auth.keys import signing_key
from syneudp.identity.signing_keys import SigningKeys, bind_keys
from syneudp.kernel.database import reading, transact
from tests.identity.running import Identity


def public_jwk(kid: str) -> dict[str, Any]:
    return {**json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())), "kid": kid}


class Source:
    """A key set with a clock beside it, which can go down and counts how often it is asked."""

    def __init__(self, *kids: str) -> None:
        self.documents = [public_jwk(kid) for kid in kids]
        self.down = False
        self.asked = 0
        self.now = 1_000.0
        self.slow_seconds = 0.01

    async def fetch(self) -> list[dict[str, Any]]:
        self.asked += 1
        await asyncio.sleep(self.slow_seconds)
        if self.down:
            raise AuthUnavailableError
        return self.documents

    def keys(self) -> SigningKeys:
        return SigningKeys(self.fetch, monotonic=lambda: self.now)


async def test_keys_are_fetched_once_in_ten_minutes() -> None:
    source = Source("a", "b")
    keys = source.keys()
    for _ in range(5):
        assert await keys.key("a") is not None
        assert await keys.key("b") is not None
        source.now += 119
    assert source.asked == 1
    source.now += 10
    assert await keys.key("a") is not None
    assert source.asked == 2


async def test_many_callers_make_one_fetch() -> None:
    source = Source("a")
    keys = source.keys()
    found = await asyncio.gather(*(keys.key("a") for _ in range(50)))
    assert all(found)
    assert source.asked == 1


async def test_made_up_key_ids_cannot_hammer_the_auth_server() -> None:
    source = Source("a")
    keys = source.keys()
    await keys.key("a")
    source.now += 100
    await asyncio.gather(*(keys.key(f"made-up-{number}") for number in range(200)))
    assert source.asked == 2
    source.now += 29
    await keys.key("another")
    assert source.asked == 2
    source.now += 1
    await keys.key("another")
    assert source.asked == 3


async def test_a_new_key_is_found_before_the_cache_runs_out() -> None:
    source = Source("a")
    keys = source.keys()
    await keys.key("a")
    source.documents.append(public_jwk("new"))
    source.now += 31
    assert await keys.key("new") is not None


async def test_a_withdrawn_key_is_forgotten_after_ten_minutes() -> None:
    source = Source("a", "b")
    keys = source.keys()
    assert await keys.key("a") is not None
    del source.documents[0]
    source.now += 600
    assert await keys.key("a") is None


async def test_keys_serve_twenty_minutes_while_the_auth_server_is_down_and_then_no_longer() -> None:
    source = Source("a")
    keys = source.keys()
    await keys.key("a")
    source.down = True
    source.now += 1_199
    assert await keys.key("a") is not None
    assert source.asked == 2
    assert await keys.key("a") is not None
    assert source.asked == 2
    source.now += 1
    with pytest.raises(AuthUnavailableError):
        await keys.key("a")
    source.down = False
    source.now += 1
    assert await keys.key("a") is not None


async def test_a_slow_fetch_holds_up_nobody_whose_key_is_still_usable() -> None:
    source = Source("a")
    keys = source.keys()
    await keys.key("a")
    source.now += 700
    source.slow_seconds = 30
    refreshing = asyncio.create_task(keys.key("a"))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        assert all(await asyncio.gather(*(keys.key("a") for _ in range(20))))
    assert source.asked == 2
    refreshing.cancel()


async def test_an_empty_answer_does_not_replace_good_keys() -> None:
    source = Source("a")
    keys = source.keys()
    await keys.key("a")
    source.documents = []
    source.now += 700
    assert await keys.key("a") is not None


async def test_without_any_keys_the_answer_is_unavailable_and_not_refused() -> None:
    source = Source()
    with pytest.raises(AuthUnavailableError):
        await source.keys().key("a")


async def test_a_flush_fetches_again() -> None:
    source = Source("a")
    keys = source.keys()
    await keys.key("a")
    keys.flush()
    await keys.key("a")
    assert source.asked == 2


def test_each_key_is_bound_to_its_algorithm() -> None:
    strong = json.loads(
        RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())
    )
    edwards = json.loads(OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key()))
    bound = bind_keys([public_jwk("ec"), {**strong, "kid": "rsa"}, {**edwards, "kid": "okp"}])
    assert {kid: key.algorithm for kid, key in bound.items()} == {"ec": "ES256", "rsa": "RS256", "okp": "EdDSA"}


def test_unfit_keys_are_left_out() -> None:
    weak = json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()))
    good = public_jwk("good")
    unfit: list[dict[str, Any]] = [
        {**weak, "kid": "weak"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {**good, "kid": "other use", "use": "enc"},
        {**good, "kid": "other algorithm", "alg": "HS256"},
        {**good, "kid": "other curve", "crv": "P-521"},
        {**good, "kid": "off the curve", "x": "AAAA"},
        {**good, "kid": ""},
        {**good, "kid": 7},
        {"kid": "bare"},
        {**good, "kid": "listed kind", "kty": ["EC"]},
    ]
    assert list(bind_keys([*unfit, good])) == ["good"]


async def test_a_rotation_goes_unnoticed_and_a_revoked_key_is_refused(identity: Identity) -> None:
    old = await identity.signed_up()
    await identity.bearer.verify(old.access_token)
    old_key = await signing_key(reading(), keyring=identity.local.keyring)
    new_id = await transact(lambda tx: rotate_signing_key(tx, keyring=identity.local.keyring, now=1))
    assert new_id != old_key.id
    new = await identity.signed_up()
    await identity.bearer.verify(new.access_token)
    await identity.bearer.verify(old.access_token)
    assert not await transact(lambda tx: revoke_signing_key(tx, new_id))
    assert await transact(lambda tx: revoke_signing_key(tx, old_key.id))
    identity.bearer.keys.flush()
    with pytest.raises(AuthenticationRequiredError):
        await identity.bearer.verify(old.access_token)
    with pytest.raises(AuthenticationRequiredError):
        await identity.auth.user(old.access_token)
    await identity.auth.user(new.access_token)
