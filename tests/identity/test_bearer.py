import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from syneudp.identity import AuthenticationRequiredError, AuthServer, BearerVerifier
from syneudp.identity.local_auth.keys import SigningKey, signing_key
from syneudp.kernel.database import reading
from tests.identity.running import Identity, identity_settings, running_identity
from tests.servers import ControlServer, opened_control

LEGACY_SECRET = "a legacy secret of at least thirty-two bytes"


@dataclass(frozen=True)
class Forge:
    identity: Identity
    key: SigningKey
    jwk: dict[str, Any]
    genuine: str

    def claims(self, **changed: Any) -> dict[str, Any]:
        claims = jwt.decode(self.genuine, options={"verify_signature": False})
        merged = {**claims, **changed}
        return {name: told for name, told in merged.items() if told is not ...}

    def signed(self, *, head: dict[str, Any] | None = None, **changed: Any) -> str:
        headers = {"kid": str(self.key.id), **(head or {})}
        return jwt.encode(self.claims(**changed), self.key.private_key, algorithm="ES256", headers=headers)

    def signed_raw(self, payload: bytes, header: bytes | None = None) -> str:
        head = header or json.dumps({"alg": "ES256", "kid": str(self.key.id), "typ": "JWT"}).encode()
        signing_input = segment(head) + "." + segment(payload)
        signature = jwt.get_algorithm_by_name("ES256").sign(signing_input.encode(), self.key.private_key)
        return signing_input + "." + segment(signature)

    def public_pem(self) -> bytes:
        return self.key.private_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(forge: Forge, algorithm: str) -> str:
    header = json.dumps({"alg": algorithm, "kid": str(forge.key.id)}).encode()
    return segment(header) + "." + segment(json.dumps(forge.claims()).encode()) + "."


def hmac_with_public_key(forge: Forge) -> str:
    header = json.dumps({"alg": "HS256", "kid": str(forge.key.id), "typ": "JWT"}).encode()
    signing_input = segment(header) + "." + segment(json.dumps(forge.claims()).encode())
    return signing_input + "." + segment(hmac.digest(forge.public_pem(), signing_input.encode(), hashlib.sha256))


def by_other_ec_key(forge: Forge) -> str:
    other = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(forge.claims(), other, algorithm="ES256", headers={"kid": str(forge.key.id)})


def rs256_on_ec_kid(forge: Forge) -> str:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(forge.claims(), other, algorithm="RS256", headers={"kid": str(forge.key.id)})


def with_embedded_key(forge: Forge) -> str:
    other = ec.generate_private_key(ec.SECP256R1())
    embedded = jwt.algorithms.ECAlgorithm.to_jwk(other.public_key(), as_dict=True)
    headers = {"kid": str(forge.key.id), "jwk": embedded}
    return jwt.encode(forge.claims(), other, algorithm="ES256", headers=headers)


def with_changed_payload(forge: Forge) -> str:
    head, _, signature = forge.genuine.split(".")
    return ".".join((head, segment(json.dumps(forge.claims(sub=str(uuid4()))).encode()), signature))


def with_duplicate_claim(forge: Forge) -> str:
    text = json.dumps(forge.claims())
    return forge.signed_raw((text[:-1] + f', "sub": "{uuid4()}"}}').encode())


def with_duplicate_header(forge: Forge) -> str:
    header = f'{{"alg": "none", "alg": "ES256", "kid": "{forge.key.id}"}}'.encode()
    return forge.signed_raw(json.dumps(forge.claims()).encode(), header)


def hour_from_now() -> int:
    return int(time.time()) + 3600


REFUSALS: dict[str, Callable[[Forge], str]] = {
    "nothing": lambda _: "",
    "no token at all": lambda _: "hello",
    "two segments": lambda forge: forge.genuine.rpartition(".")[0],
    "four segments": lambda forge: forge.genuine + ".x",
    "five segments, as an encrypted token has": lambda forge: forge.genuine + ".x.y",
    "a line break at the end": lambda forge: forge.genuine + "\n",
    "letters beyond ASCII": lambda forge: forge.genuine + "é",
    "a header that is a list": lambda forge: segment(b"[]") + forge.genuine[forge.genuine.index(".") :],
    "a header nested deeply": lambda forge: segment(b"[" * 5000) + forge.genuine[forge.genuine.index(".") :],
    "over 8 KB": lambda forge: forge.signed(padding="x" * 8192),
    "alg none": lambda forge: unsigned(forge, "none"),
    "alg None, oddly written": lambda forge: unsigned(forge, "nOnE"),
    "no signature under ES256": lambda forge: unsigned(forge, "ES256"),
    "HS256 with the public key as secret": hmac_with_public_key,
    "RS256 on an EC key": rs256_on_ec_kid,
    "another EC key under a known kid": by_other_ec_key,
    "a changed payload": with_changed_payload,
    "an unknown kid": lambda forge: forge.signed(head={"kid": str(uuid4())}),
    "no kid": lambda forge: jwt.encode(forge.claims(), forge.key.private_key, algorithm="ES256"),
    "a kid that is a path": lambda forge: forge.signed(head={"kid": "../../etc/passwd"}),
    "a kid with SQL": lambda forge: forge.signed(head={"kid": "' OR 1=1 --"}),
    "crit": lambda forge: forge.signed(head={"crit": ["exp"]}),
    "jku": lambda forge: forge.signed(head={"jku": "http://127.0.0.1:9/keys"}),
    "an embedded jwk": with_embedded_key,
    "a genuine jwk, which is not followed either": lambda forge: forge.signed(head={"jwk": forge.jwk}),
    "x5u": lambda forge: forge.signed(head={"x5u": "http://127.0.0.1:9/chain"}),
    "x5c": lambda forge: forge.signed(head={"x5c": ["AAAA"]}),
    "another typ": lambda forge: forge.signed(head={"typ": "at+jwt"}),
    "a duplicate claim": with_duplicate_claim,
    "a duplicate header member": with_duplicate_header,
    "wrong aud": lambda forge: forge.signed(aud="anon"),
    "aud with a foreign member": lambda forge: forge.signed(aud=["authenticated", "other"]),
    "aud as a list": lambda forge: forge.signed(aud=["authenticated"]),
    "no aud": lambda forge: forge.signed(aud=...),
    "wrong iss": lambda forge: forge.signed(iss="https://elsewhere.example/auth/v1"),
    "iss with a slash more": lambda forge: forge.signed(iss=forge.identity.local.url + "/"),
    "no iss": lambda forge: forge.signed(iss=...),
    "expired": lambda forge: forge.signed(exp=int(time.time()) - 6),
    "no exp": lambda forge: forge.signed(exp=...),
    "exp as text": lambda forge: forge.signed(exp=str(hour_from_now())),
    "exp with a fraction": lambda forge: forge.signed(exp=hour_from_now() + 0.5),
    "exp that is true": lambda forge: forge.signed(exp=True),
    "exp beyond every number": lambda forge: forge.signed(exp=1e308),
    "nbf in the future": lambda forge: forge.signed(nbf=hour_from_now()),
    "nbf as text": lambda forge: forge.signed(nbf="0"),
    "iat in the future": lambda forge: forge.signed(iat=hour_from_now()),
    "no iat": lambda forge: forge.signed(iat=...),
    "iat as text": lambda forge: forge.signed(iat=str(int(time.time()))),
    "an anonymous user": lambda forge: forge.signed(is_anonymous=True),
    "is_anonymous as text": lambda forge: forge.signed(is_anonymous="false"),
    "no word on anonymity": lambda forge: forge.signed(is_anonymous=...),
    "role anon": lambda forge: forge.signed(role="anon"),
    "role service_role": lambda forge: forge.signed(role="service_role"),
    "no role": lambda forge: forge.signed(role=...),
    "a role that only user_metadata has": lambda forge: forge.signed(role=..., user_metadata={"role": "authenticated"}),
    "a project's API key": lambda forge: jwt.encode(
        {"iss": "supabase", "ref": "x", "role": "anon", "iat": int(time.time()), "exp": hour_from_now()},
        forge.key.private_key,
        algorithm="ES256",
        headers={"kid": str(forge.key.id)},
    ),
    "a third party's OAuth token": lambda forge: forge.signed(client_id=str(uuid4())),
    "client_id that is null": lambda forge: forge.signed(client_id=None),
    "no sub": lambda forge: forge.signed(sub=...),
    "a sub that is no UUID": lambda forge: forge.signed(sub="admin"),
    "a sub in braces": lambda forge: forge.signed(sub="{" + str(uuid4()) + "}"),
    "no session_id": lambda forge: forge.signed(session_id=...),
    "a session_id that is no UUID": lambda forge: forge.signed(session_id="1"),
    "a session_id that is a number": lambda forge: forge.signed(session_id=7),
    "an address that cannot be stored": lambda forge: forge.signed(email="a\x00b"),
    "HS256 with the secret of a legacy project that is not configured": lambda forge: jwt.encode(
        forge.claims(), LEGACY_SECRET, algorithm="HS256"
    ),
}


@pytest.fixture(scope="module")
async def forge(control_server: ControlServer) -> AsyncIterator[Forge]:
    async with opened_control(control_server) as control, running_identity(control) as identity:
        tokens = await identity.signed_up()
        key = await signing_key(reading(), keyring=identity.local.keyring)
        jwk = next(told for told in await identity.auth.signing_keys() if told["kid"] == str(key.id))
        yield Forge(identity, key, jwk, tokens.access_token)


@pytest.mark.parametrize("name", REFUSALS)
async def test_it_refuses(forge: Forge, name: str) -> None:
    with pytest.raises(AuthenticationRequiredError) as refused:
        await forge.identity.bearer.verify(REFUSALS[name](forge))
    assert refused.value.status == 401
    assert refused.value.detail == AuthenticationRequiredError.sentence
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}


async def test_it_accepts_the_genuine_token_and_a_faithful_copy(forge: Forge) -> None:
    accepted = await forge.identity.bearer.verify(forge.genuine)
    assert accepted == await forge.identity.bearer.verify(forge.signed())
    assert str(accepted.user_id) == forge.claims()["sub"]
    assert str(accepted.session_id) == forge.claims()["session_id"]


@pytest.mark.parametrize(
    "changed",
    [
        {"nbf": 1},
        {"app_metadata": {"role": "service_role"}},
        {"user_metadata": {"role": "service_role", "is_anonymous": True}},
        {"amr": ["password"]},
        {"aal": "aal2"},
        {"email": ...},
    ],
)
async def test_it_accepts_what_decides_nothing(forge: Forge, changed: dict[str, Any]) -> None:
    await forge.identity.bearer.verify(forge.signed(**changed))


async def test_five_seconds_of_clock_difference_are_forgiven(forge: Forge) -> None:
    now = int(time.time())
    await forge.identity.bearer.verify(forge.signed(exp=now - 2, iat=now + 2))


async def test_the_legacy_secret_is_a_verifier_of_its_own(forge: Forge) -> None:
    settings = identity_settings(forge.identity.local.url, SUPABASE_JWT_SECRET=LEGACY_SECRET)
    async with AuthServer(settings) as auth:
        bearer = BearerVerifier(settings, auth)
        legacy = jwt.encode(forge.claims(), LEGACY_SECRET, algorithm="HS256")
        assert await bearer.verify(legacy) == await bearer.verify(forge.genuine)
        for token in (
            hmac_with_public_key(forge),
            unsigned(forge, "none"),
            jwt.encode(forge.claims(), LEGACY_SECRET * 2, algorithm="HS512"),
            jwt.encode(forge.claims(role="service_role"), LEGACY_SECRET, algorithm="HS256"),
            jwt.encode(forge.claims(aud="anon"), LEGACY_SECRET, algorithm="HS256"),
            jwt.encode(forge.claims(exp=int(time.time()) - 6), LEGACY_SECRET, algorithm="HS256"),
            jwt.encode(forge.claims(), LEGACY_SECRET + "!", algorithm="HS256"),
        ):
            with pytest.raises(AuthenticationRequiredError):
                await bearer.verify(token)
