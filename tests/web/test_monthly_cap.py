from typing import Any

import pytest
from quart import Quart

from syneudp import wallet
from syneudp.kernel.database import reading, rows
from tests.web.caller import SignUp, answered

CAP = "/api/v1/wallet"


async def test_a_cap_is_set_changed_and_removed(newcomer: SignUp) -> None:
    customer = await newcomer()
    assert (await customer.get(CAP)).body["monthly_cap_micros"] is None
    for cap in (1, 25_000_000, wallet.CAP_MICROS_MAX, None, None):
        told = await customer.call("PATCH", CAP, told={"monthly_cap_micros": cap})
        assert (told.status, told.body["monthly_cap_micros"]) == (200, cap)
        seen = (await customer.get(CAP)).body
        assert (seen["monthly_cap_micros"], seen["spent_this_month_micros"], seen["cap_reached_at"]) == (cap, 0, None)
    found = await rows(reading(), "SELECT act, subject FROM audit_events WHERE act = 'set_cap' ORDER BY id")
    assert len(found) == 5
    assert found[1]["subject"].endswith(" 25000000 micro-units a month")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"monthly_cap_micros": 0},
        {"monthly_cap_micros": -1},
        {"monthly_cap_micros": wallet.CAP_MICROS_MAX + 1},
        {"monthly_cap_micros": "5"},
        {"monthly_cap_micros": 5.0},
        {"monthly_cap_micros": True},
        {"monthly_cap_micros": 5, "balance_micros": 9},
    ],
    ids=str,
)
async def test_what_is_no_cap_is_refused(newcomer: SignUp, body: dict[str, Any]) -> None:
    refused = await (await newcomer()).call("PATCH", CAP, told=body)
    assert refused.status == 422


async def test_a_database_needs_room_under_the_cap(newcomer: SignUp, silent_agents: None) -> None:
    customer = await newcomer()
    await customer.top_up()
    await customer.call("PATCH", CAP, told={"monthly_cap_micros": 1})
    refused = await customer.create("first")
    assert (refused.status, refused.body["code"]) == (402, "cap_reached")
    await customer.call("PATCH", CAP, told={"monthly_cap_micros": None})
    assert (await customer.create("first")).status == 202


async def test_a_stranger_sets_nothing(app: Quart) -> None:
    assert (await answered(app, "PATCH", CAP)).status == 401
