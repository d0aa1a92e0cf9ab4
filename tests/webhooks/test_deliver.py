import asyncio
import json
from functools import partial
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from syneudp import webhooks
from syneudp.kernel import clock
from syneudp.kernel.database import execute, reading, transact, value
from syneudp.kernel.sealing import Keyring
from syneudp.webhooks import (
    Delivery,
    DeliveryState,
    DisabledFor,
    EndpointNotFoundError,
    EndpointSecret,
    EndpointUrlInvalidError,
    Failure,
    TooManyEndpointsError,
    WebhookSender,
    check_url,
)
from syneudp.webhooks.rules import ATTEMPTS_MAX
from tests.webhooks.receiving import LyingResolver, Receiver, receiving, verify

KEYRING = Keyring({"k1": bytes(range(32))})
NOW = 1_900_000_000
DAY = 86_400
pytestmark = pytest.mark.usefixtures("control")


async def owner() -> UUID:
    user_id = uuid4()
    await execute(
        reading(), "INSERT INTO users (id, email, created_at) VALUES ($1, $2, 0)", user_id, f"{user_id}@example.com"
    )
    return user_id


async def added(owner_id: UUID, url: str) -> EndpointSecret:
    return await transact(lambda tx: webhooks.add_endpoint(tx, owner_id=owner_id, url=url, keyring=KEYRING))


async def published(owner_id: UUID, *, kind: str = "wallet.suspended") -> UUID | None:
    return await transact(lambda tx: webhooks.publish(tx, owner_id=owner_id, kind=kind, data={"a": "ä"}, at=NOW))


async def deliver_due(*, seconds: float = 5.0, local: bool = True, resolver: LyingResolver | None = None) -> int:
    sent = 0
    async with WebhookSender(local=local, resolver=resolver, seconds=seconds) as sender:
        while (parcel := await webhooks.claim_delivery(keyring=KEYRING, busy=())) is not None:
            await webhooks.send_delivery(sender, parcel)
            sent += 1
    return sent


async def only(owner_id: UUID, endpoint_id: UUID) -> Delivery:
    page = await webhooks.deliveries_of(reading(), owner_id, endpoint_id, limit=10)
    return page.items[0]


async def test_a_message_arrives_signed_and_is_delivered_once() -> None:
    async with receiving() as receiver:
        user = await owner()
        made = await added(user, receiver.url)
        with clock.frozen(NOW):
            message_id = await published(user)
            assert await deliver_due() == 1
            assert await deliver_due() == 0
        [(headers, body)] = receiver.received
        assert message_id is not None
        assert verify(made.secret, headers, body, now=NOW) == f"msg_{message_id.hex}"
        assert json.loads(body) == {
            "type": "wallet.suspended",
            "timestamp": clock.rfc3339(NOW),
            "data": {"a": "ä"},
        }
        told = await only(user, made.endpoint.id)
        assert (told.state, told.attempts, told.status, told.next_at) == (DeliveryState.DELIVERED, 1, 204, None)


async def test_a_failing_receiver_is_tried_again_with_the_same_message_until_it_accepts() -> None:
    async with receiving() as receiver:
        user = await owner()
        made = await added(user, receiver.url)
        receiver.status = 503
        now = NOW
        with clock.frozen(now):
            await published(user)
        for attempt in range(1, 5):
            with clock.frozen(now):
                assert await deliver_due() == 1
                told = await only(user, made.endpoint.id)
                assert (told.state, told.attempts, told.failure) == (DeliveryState.PENDING, attempt, Failure.STATUS)
                assert told.next_at is not None
                assert told.next_at > now
                with clock.frozen(told.next_at - 1):
                    assert await deliver_due() == 0
                now = told.next_at
        receiver.status = 200
        with clock.frozen(now):
            assert await deliver_due() == 1
        assert len({verify(made.secret, headers, body, now=now) for headers, body in receiver.received[-1:]}) == 1
        assert len({(headers["webhook-id"], body) for headers, body in receiver.received}) == 1
        assert len({headers["webhook-timestamp"] for headers, _ in receiver.received}) == 5


async def exhaust(user: UUID, made: EndpointSecret, now: int) -> int:
    for _ in range(ATTEMPTS_MAX):
        with clock.frozen(now):
            await deliver_due()
            told = await only(user, made.endpoint.id)
            now = told.next_at or now
    return now


async def test_an_endpoint_that_fails_for_the_whole_schedule_is_disabled_and_can_be_enabled_again() -> None:
    async with receiving() as receiver:
        user = await owner()
        made = await added(user, receiver.url)
        receiver.status = 500
        with clock.frozen(NOW):
            await published(user)
        now = await exhaust(user, made, NOW)
        assert 2.7 * DAY < now - NOW < 3.6 * DAY
        assert len(receiver.received) == ATTEMPTS_MAX
        [seen] = await webhooks.endpoints_of(reading(), user)
        assert (seen.disabled_for, seen.disabled_at) == (DisabledFor.FAILING, now)
        assert (await only(user, made.endpoint.id)).state is DeliveryState.FAILED
        assert await published(user) is None
        receiver.status = 200
        with clock.frozen(now):
            await transact(lambda tx: webhooks.enable_endpoint(tx, owner_id=user, endpoint_id=made.endpoint.id))
            await published(user)
            assert await deliver_due() == 1
        assert (await only(user, made.endpoint.id)).state is DeliveryState.DELIVERED


async def test_one_message_that_is_refused_while_others_are_accepted_disables_nothing() -> None:
    async def picky(request: web.Request) -> web.Response:
        return web.Response(status=400 if "refused" in await request.text() else 200)

    async with receiving(picky) as receiver:
        user = await owner()
        made = await added(user, receiver.url)
        with clock.frozen(NOW):
            await published(user, kind="wallet.accepted")
            await published(user, kind="wallet.refused")
        await exhaust(user, made, NOW)
        [seen] = await webhooks.endpoints_of(reading(), user)
        assert seen.disabled_for is None
        assert (await only(user, made.endpoint.id)).state is DeliveryState.FAILED


async def test_gone_disables_at_once_and_gives_up_what_waits() -> None:
    async with receiving() as receiver:
        user = await owner()
        made = await added(user, receiver.url)
        receiver.status = 410
        with clock.frozen(NOW):
            await published(user)
            await published(user)
            assert await deliver_due() == 1
        [seen] = await webhooks.endpoints_of(reading(), user)
        assert seen.disabled_for is DisabledFor.GONE
        page = await webhooks.deliveries_of(reading(), user, made.endpoint.id, limit=10)
        assert {each.failure for each in page.items} == {Failure.STATUS, Failure.DISABLED}


async def test_a_slow_receiver_and_an_endless_answer_are_cut_off() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65_536)

    async with receiving() as slow, receiving(endless) as flood:
        user = await owner()
        slow.wait_seconds = 60
        first, second = await added(user, slow.url), await added(user, flood.url)
        await published(user)
        assert await deliver_due(seconds=0.5) == 2
        assert (await only(user, first.endpoint.id)).failure is Failure.TIMEOUT
        assert (await only(user, second.endpoint.id)).state is DeliveryState.DELIVERED


async def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    async with receiving() as inner, receiving() as receiver:
        user = await owner()
        made = await added(user, receiver.url)
        receiver.status, receiver.headers = 307, {"Location": inner.url}
        await published(user)
        await deliver_due()
        told = await only(user, made.endpoint.id)
        assert (told.status, told.failure, inner.received) == (307, Failure.REDIRECT, [])


async def port_of(receiver: Receiver) -> str:
    return receiver.url.removeprefix("http://127.0.0.1:").removesuffix("/hook")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1"])
async def test_outside_the_local_environment_this_machine_is_never_reached(host: str) -> None:
    async with receiving() as receiver:
        user = await owner()
        made = await added(user, f"https://{host}:{await port_of(receiver)}/hook")
        await published(user)
        await deliver_due(local=False)
        told = await only(user, made.endpoint.id)
        assert (told.failure, receiver.received) == (Failure.ADDRESS_REFUSED, [])


@pytest.mark.parametrize("rebound", ["127.0.0.1", "169.254.169.254", "10.0.0.1"])
async def test_a_name_that_is_bound_to_another_address_later_is_refused_then(rebound: str) -> None:
    resolver = LyingResolver(["93.184.215.14"], [rebound])
    url = check_url("https://rebind.example:9/hook", local=False)
    await webhooks.require_reachable(url, local=False, resolver=resolver)
    user = await owner()
    made = await added(user, str(url))
    await published(user)
    await deliver_due(local=False, resolver=resolver)
    assert (await only(user, made.endpoint.id)).failure is Failure.ADDRESS_REFUSED
    assert resolver.asked == 2


async def test_a_host_with_one_address_that_is_not_public_is_refused_altogether() -> None:
    resolver = LyingResolver(["93.184.215.14", "192.168.0.1"])
    with pytest.raises(EndpointUrlInvalidError):
        await webhooks.require_reachable(check_url("https://two.example/", local=False), local=False, resolver=resolver)


async def test_while_a_secret_is_rotated_both_sign_and_later_the_new_one_alone() -> None:
    async with receiving() as receiver:
        user = await owner()
        old = await added(user, receiver.url)
        with clock.frozen(NOW):
            new = await transact(
                lambda tx: webhooks.rotate_secret(tx, owner_id=user, endpoint_id=old.endpoint.id, keyring=KEYRING)
            )
        assert old.secret != new.secret
        for at in (NOW + DAY - 1, NOW + DAY):
            with clock.frozen(at):
                await published(user)
                assert await deliver_due() == 1
        (first, body), (second, later) = receiver.received
        for secret in (old.secret, new.secret):
            verify(secret, first, body, now=NOW + DAY)
        verify(new.secret, second, later, now=NOW + DAY)
        with pytest.raises(AssertionError):
            verify(old.secret, second, later, now=NOW + DAY)


async def test_two_senders_at_once_send_a_message_once_and_a_dead_ones_claim_ends_with_its_lease() -> None:
    async with receiving() as receiver:
        user = await owner()
        await added(user, receiver.url)
        with clock.frozen(NOW):
            await published(user)
            claims = await asyncio.gather(*[webhooks.claim_delivery(keyring=KEYRING, busy=()) for _ in range(5)])
            assert len([claim for claim in claims if claim is not None]) == 1
        with clock.frozen(NOW + 29):
            assert await deliver_due() == 0
        with clock.frozen(NOW + 30):
            assert await deliver_due() == 1
        assert len(receiver.received) == 1


async def test_a_test_message_goes_to_its_endpoint_alone_and_a_removed_one_gets_nothing() -> None:
    async with receiving() as first, receiving() as second:
        user = await owner()
        tested, other = await added(user, first.url), await added(user, second.url)
        await transact(lambda tx: webhooks.publish_test(tx, owner_id=user, endpoint_id=tested.endpoint.id))
        await deliver_due()
        assert (len(first.received), len(second.received)) == (1, 0)
        await published(user)
        for each in (tested, other):
            await transact(partial(webhooks.remove_endpoint, owner_id=user, endpoint_id=each.endpoint.id))
        assert await deliver_due() == 0
        assert await webhooks.endpoints_of(reading(), user) == []


async def test_another_owners_endpoint_is_not_found_and_one_has_ten_at_most() -> None:
    user, stranger = await owner(), await owner()
    made = [await added(user, "https://example.com/") for _ in range(10)]
    with pytest.raises(TooManyEndpointsError):
        await added(user, "https://example.com/")
    await added(stranger, "https://example.com/")
    with pytest.raises(EndpointNotFoundError):
        await transact(lambda tx: webhooks.remove_endpoint(tx, owner_id=stranger, endpoint_id=made[0].endpoint.id))
    with pytest.raises(EndpointNotFoundError):
        await webhooks.deliveries_of(reading(), stranger, made[0].endpoint.id, limit=1)


async def test_messages_are_forgotten_a_month_after_they_are_settled() -> None:
    async with receiving() as receiver:
        user = await owner()
        await added(user, receiver.url)
        with clock.frozen(NOW):
            await published(user)
        with clock.frozen(NOW + 31 * DAY):
            assert await transact(webhooks.prune_messages) == 0
            await deliver_due()
            assert await transact(webhooks.prune_messages) == 1
        assert await value(reading(), "SELECT count(*) FROM webhook_deliveries") == 0


async def test_a_secret_stands_sealed_and_only_its_own_record_opens_it() -> None:
    user = await owner()
    made = await added(user, "https://example.com/")
    sealed = await value(reading(), "SELECT sealed FROM webhook_secrets")
    assert made.secret.removeprefix("whsec_").encode() not in sealed
    assert await webhooks.webhook_secrets_sealed_under(reading(), sealed[:4])
    again = await transact(
        lambda tx: webhooks.present_secret(tx, owner_id=user, endpoint_id=made.endpoint.id, keyring=KEYRING)
    )
    assert again.secret == made.secret
    assert made.secret not in repr(made)
