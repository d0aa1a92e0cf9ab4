import re

from quart import Quart

from syneudp.kernel.database import reading, value
from tests.web.caller import Caller, SignUp
from tests.web.test_route_map import MISSING, methods, of_the_api, routes

ENDPOINTS = "/api/v1/webhook-endpoints"
HERE = {"url": "http://127.0.0.1:9/hook"}


async def added(owner: Caller) -> str:
    made = await owner.post(ENDPOINTS, HERE)
    assert made.status == 201, made.text
    return str(made.body["id"])


async def test_an_endpoint_is_added_shows_its_secret_once_and_is_listed_without_it(newcomer: SignUp) -> None:
    owner = await newcomer()
    made = await owner.post(ENDPOINTS, HERE, key="first")
    assert made.body["secret"].startswith("whsec_")
    assert made.headers["Cache-Control"] == "no-store"
    again = await owner.post(ENDPOINTS, HERE, key="first")
    assert (again.body, again.headers["Idempotency-Replayed"]) == (made.body, "true")
    listed = await owner.get(ENDPOINTS)
    told = {name: given for name, given in made.body.items() if name != "secret"}
    assert listed.body == {"items": [told], "next_cursor": None}
    assert (await owner.get(f"{ENDPOINTS}/{made.body['id']}")).body == told
    rotated = await owner.post(f"{ENDPOINTS}/{made.body['id']}/rotate-secret")
    assert rotated.body["secret"] not in {made.body["secret"], None}
    acts = await value(reading(), "SELECT array_agg(act ORDER BY id) FROM audit_events WHERE subject = $1", told["id"])
    assert acts == ["add_webhook", "rotate_webhook"]


async def test_a_test_message_is_seen_among_the_deliveries(newcomer: SignUp) -> None:
    owner = await newcomer()
    endpoint_id = await added(owner)
    queued = await owner.post(f"{ENDPOINTS}/{endpoint_id}/test")
    assert queued.status == 202
    [delivery] = (await owner.get(f"{ENDPOINTS}/{endpoint_id}/deliveries")).body["items"]
    assert (delivery["webhook_id"], delivery["type"], delivery["state"], delivery["attempts"]) == (
        queued.body["webhook_id"],
        "webhook.test",
        "pending",
        0,
    )
    assert delivery["next_attempt_at"] == delivery["created_at"]
    removed = await owner.call("DELETE", f"{ENDPOINTS}/{endpoint_id}")
    assert removed.body == {"id": endpoint_id, "status": "removed"}
    assert (await owner.call("DELETE", f"{ENDPOINTS}/{endpoint_id}")).status == 404


async def test_urls_that_nothing_may_be_sent_to_are_refused_when_they_are_set(newcomer: SignUp) -> None:
    owner = await newcomer()
    for url in (
        "http://example.com/hook",
        "https://10.0.0.1/hook",
        "https://169.254.169.254/latest",
        "https://[fd00:ec2::254]/",
        "https://0.0.0.0/",
        "https://user@127.0.0.1/",
        "https://name.that.does.not.exist.invalid/",
    ):
        refused = await owner.post(ENDPOINTS, {"url": url})
        assert (refused.status, refused.body["code"]) == (422, "endpoint_url_invalid"), url
        assert url not in refused.text


async def test_another_customers_endpoint_is_not_found_on_any_route(app: Quart, newcomer: SignUp) -> None:
    owner, stranger = await newcomer(), await newcomer()
    endpoint_id = await added(owner)
    tried = 0
    for rule, _ in routes(app):
        if not of_the_api(rule) or "endpoint_id" not in rule.arguments:
            continue
        for method in methods(rule):
            tried += 1
            theirs, none = [
                await stranger.call(method, re.sub("<uuid:endpoint_id>", each, rule.rule))
                for each in (endpoint_id, MISSING)
            ]
            assert (theirs.status, theirs.body["code"]) == (404, "endpoint_not_found"), (method, rule.rule)
            assert {**theirs.body, "request_id": ""} == {**none.body, "request_id": ""}
    assert tried == 6
    assert (await owner.get(f"{ENDPOINTS}/{endpoint_id}")).status == 200


async def test_an_eleventh_endpoint_is_refused(newcomer: SignUp) -> None:
    owner = await newcomer()
    for _ in range(10):
        await added(owner)
    refused = await owner.post(ENDPOINTS, HERE)
    assert (refused.status, refused.body["code"]) == (409, "too_many_endpoints")
