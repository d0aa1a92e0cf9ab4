import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from syneudp.identity import Act, User, record_audit, remember_user, user_of
from syneudp.kernel.database import reading, rows, transact, value
from tests.servers import ControlDatabase


async def remembered(user_id: UUID, email: str) -> User:
    return await transact(lambda tx: remember_user(tx, user_id=user_id, email=email))


async def record(user_id: UUID, subject: str, user_agent: str = "") -> None:
    await transact(
        lambda tx: record_audit(
            tx,
            user_id=user_id,
            actor="customer",
            act=Act.REVEAL,
            subject=subject,
            address="127.0.0.1",
            user_agent=user_agent,
        )
    )


async def test_a_customer_is_remembered_once_and_keeps_their_first_day(control: ControlDatabase) -> None:
    user_id = uuid4()
    assert await user_of(reading(), user_id) is None
    first = await remembered(user_id, "a@example.com")
    assert await remembered(user_id, "a@example.com") == first
    moved = await remembered(user_id, "b@example.com")
    assert moved == User(id=user_id, email="b@example.com", created_at=first.created_at)
    assert await user_of(reading(), user_id) == moved


async def test_a_customer_seen_by_many_requests_at_once_is_one(control: ControlDatabase) -> None:
    user_id = uuid4()
    seen = await asyncio.gather(*(remembered(user_id, "a@example.com") for _ in range(10)))
    assert len(set(seen)) == 1
    assert await value(reading(), "SELECT count(*) FROM users") == 1


async def test_two_customers_may_have_the_same_address(control: ControlDatabase) -> None:
    await remembered(uuid4(), "a@example.com")
    await remembered(uuid4(), "a@example.com")


async def test_the_audit_trail_grows_and_never_changes(control: ControlDatabase) -> None:
    user = await remembered(uuid4(), "a@example.com")
    await record(user.id, "one", "'; DROP TABLE audit_events; --")
    await record(user.id, "two", "🐘")
    kept = await rows(reading(), "SELECT subject, user_agent FROM audit_events ORDER BY id")
    assert kept == [
        {"subject": "one", "user_agent": "'; DROP TABLE audit_events; --"},
        {"subject": "two", "user_agent": "🐘"},
    ]
    for statement in (
        "UPDATE audit_events SET subject = 'other'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rows(reading(), statement)
    owner = await asyncpg.connect(control.owner_url)
    try:
        for statement in (
            "UPDATE audit_events SET subject = 'other'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
        ):
            with pytest.raises(asyncpg.RestrictViolationError):
                await owner.execute(statement)
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET id = gen_random_uuid()",
        "UPDATE users SET created_at = 0",
        "DELETE FROM users",
        "UPDATE web_sessions SET user_id = gen_random_uuid()",
        "UPDATE web_sessions SET secret_hash = ''",
        "UPDATE web_sessions SET created_at = created_at + 600",
        "DELETE FROM web_sessions",
        "DELETE FROM local_auth_signing_keys",
    ],
)
async def test_the_runtime_role_cannot_rewrite_who_is_who(control: ControlDatabase, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await rows(reading(), statement)
