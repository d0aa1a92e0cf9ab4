import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from syneudp.kernel.sealing import Keyring
from tests.stack.inside import LOOPBACK, Inside, environment, found_in_memory
from tests.stack.walk import ECHO, Walk, walk

VERIFIER = re.compile(r"SCRAM-SHA-256\$[^\s\"',]+|\$A\$005\$[^\s\"',]+|\*[0-9A-F]{40}")
PASSWORDS_MIN = 8
VERIFIERS_MIN = 2
TOKEN = "eyJ"


@pytest.fixture(scope="session")
async def walked(inside: Inside) -> Walk:
    return await walk(inside)


def spellings(secret: str) -> set[str]:
    plain = secret.encode()
    encoded = {base64.b64encode(plain).decode().rstrip("="), plain.hex(), plain.hex().upper(), quote(secret, safe="")}
    return {secret, *encoded}


async def test_no_password_stands_in_an_answer_that_does_not_reveal_it(walked: Walk) -> None:
    assert len(walked.passwords) >= PASSWORDS_MIN
    leaks = {
        answer.call
        for answer in walked.answers
        if not answer.revealing
        for password in walked.passwords
        if any(spelling in answer.whole for spelling in spellings(password))
    }
    assert leaks == set()
    assert any(
        password in answer.text for answer in walked.answers if answer.revealing for password in walked.passwords
    )


async def test_no_password_stands_in_a_table_or_a_registry_but_sealed(inside: Inside, walked: Walk) -> None:
    tables = await inside.control_tables() | await inside.registries()
    assert {"instance_credentials", "web_sessions", "postgresql instances", "mysql databases"} <= tables.keys()
    leaks = {
        name
        for name, text in tables.items()
        for password in walked.passwords
        if any(spelling in text for spelling in spellings(password))
    }
    assert leaks == set()
    keyring = Keyring.parse(inside.secret("sealing-keys"))
    for instance_id, password in walked.kept_alive.items():
        found = await inside.ask("SELECT version, sealed FROM instance_credentials WHERE instance_id = $1", instance_id)
        assert len(found) == 1
        sealed, field = bytes(found[0]["sealed"]), f"credential:{found[0]['version']}"
        assert keyring.unseal(sealed, record=UUID(instance_id), field=field).decode() == password


async def test_no_password_stands_in_any_file_of_the_state_folder(inside: Inside, walked: Walk, tmp_path: Path) -> None:
    wanted = tmp_path / "patterns"
    wanted.write_text("\n".join(sorted({each for told in walked.passwords for each in spellings(told)})))
    assert files_with(wanted, inside.stack.state) == []
    known = tmp_path / "known"
    known.write_text("role_started")
    assert len(files_with(known, inside.stack.state)) >= 3


def files_with(patterns: Path, folder: Path) -> list[str]:
    found = subprocess.run(
        ["grep", "--recursive", "--text", "--fixed-strings", "--files-with-matches", "-f", patterns, folder],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.splitlines()


def logs(inside: Inside) -> Iterator[tuple[str, str]]:
    for path in sorted(inside.stack.state.rglob("*.log")):
        yield str(path.relative_to(inside.stack.state)), path.read_text("utf-8", "replace")


async def test_no_log_holds_a_verifier_a_token_or_a_secret(inside: Inside, walked: Walk) -> None:
    assert walked.answers
    registries = await inside.registries()
    verifiers = {found for text in registries.values() for found in VERIFIER.findall(text)}
    assert len(verifiers) >= VERIFIERS_MIN, {name: text[:300] for name, text in registries.items()}
    named = dict(logs(inside))
    assert {"logs/api.log", "logs/billing.log", "logs/agent.log", "logs/local-auth.log"} <= named.keys()
    generated = {told.partition(":")[2] or told for told in inside.secrets().values()}
    leaks = {
        (name, needle[:12])
        for name, text in named.items()
        for needle in (*verifiers, *generated, "SCRAM-SHA-256$4096", "$A$005$", TOKEN)
        if needle in text
    }
    assert leaks == set()


async def test_no_answer_holds_a_verifier(inside: Inside, walked: Walk) -> None:
    verifiers = {found for text in (await inside.registries()).values() for found in VERIFIER.findall(text)}
    assert not [answer.call for answer in walked.answers for told in verifiers if told in answer.whole]


async def test_no_page_and_no_answer_tells_where_an_agent_is(inside: Inside, walked: Walk) -> None:
    port = inside.ports.agent
    place = re.compile(rf":{port}\b|\bagent_url\b|{re.escape(LOOPBACK)}[:/]{port}|local-(?:postgresql|mysql)\b")
    assert [answer.call for answer in walked.answers if place.search(answer.whole)] == []
    told = [answer for answer in walked.answers if answer.headers and "json" in answer.headers and answer.text]
    assert [answer.call for answer in told if port in numbers(answer.told)] == []


def numbers(told: Any) -> set[int]:
    if isinstance(told, dict):
        return {found for each in told.values() for found in numbers(each)}
    if isinstance(told, list):
        return {found for each in told for found in numbers(each)}
    return {told} if isinstance(told, int) else set()


async def test_nonsense_is_refused_without_an_echo(walked: Walk) -> None:
    assert len(walked.refused) > 15
    for answer in walked.refused:
        assert 400 <= answer.status < 500, (answer.call, answer.status, answer.text)
        assert "application/problem+json" in answer.headers, answer.call
        assert ECHO not in answer.text, answer.call


def needles(inside: Inside, names: tuple[str, ...]) -> dict[str, bytes]:
    return {name: inside.secret(name).partition(":")[2].encode() or inside.secret(name).encode() for name in names}


ADMINS = (
    "postgresql-superuser-password",
    "postgresql-agent-password",
    "mysql-root-password",
    "mysql-agent-password",
    "control-superuser-password",
    "control-owner-password",
)
CONTROLS = ("control-runtime-password", "sealing-keys")


@pytest.mark.parametrize("role", ["api", "billing"])
async def test_the_control_plane_holds_no_admin_credential(inside: Inside, walked: Walk, role: str) -> None:
    assert walked.answers
    pid = inside.role(role)
    foreign = needles(inside, (*ADMINS, "auth-sealing-keys"))
    own = needles(inside, CONTROLS)
    assert [name for name, secret in foreign.items() if secret.decode() in environment(pid)] == []
    assert found_in_memory(pid, foreign | own) == own.keys()


async def test_the_agent_holds_no_sealing_key_and_no_way_into_the_control_database(
    inside: Inside, walked: Walk
) -> None:
    assert walked.answers
    pid = inside.role("agent")
    foreign = needles(
        inside,
        (
            *CONTROLS,
            "auth-sealing-keys",
            "control-owner-password",
            "control-superuser-password",
            "postgresql-superuser-password",
            "mysql-root-password",
        ),
    )
    raw = {f"raw {name}": base64.b64decode(foreign[name]) for name in ("sealing-keys", "auth-sealing-keys")}
    own = needles(inside, ("postgresql-agent-password", "mysql-agent-password"))
    assert [name for name, secret in foreign.items() if secret.decode() in environment(pid)] == []
    assert found_in_memory(pid, foreign | raw | own) == own.keys()


async def test_the_books_are_right_after_the_walk(inside: Inside, walked: Walk) -> None:
    assert walked.answers
    audit = inside.stack.audit()
    assert audit.returncode == 0, audit.stdout + audit.stderr
