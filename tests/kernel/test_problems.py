from dataclasses import dataclass

import pytest
from pydantic import BaseModel, ConfigDict
from quart import Quart
from quart_schema import QuartSchema, validate_request

from syneudp.kernel.errors import FieldError, ProblemError
from syneudp.kernel.problems import install_problems


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    amount: int


class TeapotError(ProblemError):
    status = 418
    code = "teapot"
    title = "Teapot"
    sentence = "It pours."


@pytest.fixture
def app() -> Quart:
    app = Quart(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1000
    QuartSchema(app)
    install_problems(app)

    @app.post("/things")
    @validate_request(Body)
    async def make(data: Body) -> dict[str, int]:
        return {"amount": data.amount}

    @app.get("/teapot")
    async def teapot() -> str:
        raise TeapotError(errors=[FieldError("/a", "No.")], headers={"Retry-After": "3"})

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError("canary-inside")

    return app


@dataclass(frozen=True)
class Case:
    method: str
    path: str
    body: bytes
    content_type: str
    status: int
    code: str


@pytest.mark.parametrize(
    "case",
    [
        Case("GET", "/nothing", b"", "", 404, "not_found"),
        Case("DELETE", "/things", b"", "", 405, "method_not_allowed"),
        Case("POST", "/things", b"{canary", "application/json", 400, "malformed_request"),
        Case("POST", "/things", b"canary=1", "text/plain", 415, "unsupported_media_type"),
        Case("POST", "/things", b'{"amount": "canary"}', "application/json", 422, "invalid_request"),
        Case("POST", "/things", b'{"amount": 1, "canary": 2}', "application/json", 422, "invalid_request"),
        Case("POST", "/things", b"[" * 2000, "application/json", 413, "request_too_large"),
        Case("GET", "/broken", b"", "", 500, "internal_error"),
        Case("GET", "/teapot", b"", "", 418, "teapot"),
    ],
    ids=lambda case: f"{case.status} {case.code}",
)
async def test_everything_that_goes_wrong_is_problem_json_without_an_echo(app: Quart, case: Case) -> None:
    headers = {"Content-Type": case.content_type} if case.content_type else {}
    send = getattr(app.test_client(), case.method.lower())
    answer = await send(case.path, data=case.body or None, headers=headers)
    told = await answer.get_json()
    text = (await answer.get_data(as_text=True)).replace("/canary", "")
    assert (answer.status_code, told["status"], told["code"]) == (case.status, case.status, case.code)
    assert answer.content_type == "application/problem+json"
    assert told["type"].endswith(case.code)
    assert told["request_id"] == answer.headers["X-Request-Id"]
    assert "canary" not in text


async def test_a_fault_says_where_it_is(app: Quart) -> None:
    answer = await app.test_client().post("/things", json={"amount": "x", "more": 1})
    told = await answer.get_json()
    assert {fault["pointer"] for fault in told["errors"]} == {"/amount", ""}


async def test_headers_and_field_errors_of_a_refusal_are_told(app: Quart) -> None:
    answer = await app.test_client().get("/teapot")
    assert answer.headers["Retry-After"] == "3"
    assert (await answer.get_json())["errors"] == [{"pointer": "/a", "detail": "No."}]
