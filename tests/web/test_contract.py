from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate
from quart import Quart

from syneudp.web.api.docs import Body, Field, list_calls
from tests.web.caller import answered

WRITTEN_DOWN = Path(__file__).parent / "contract.txt"


def outline(contract: dict[str, Any]) -> Iterator[str]:
    for call in list_calls(contract):
        yield f"{call.method} {call.path}{' (token)' if call.needs_token else ''}"
        yield from (f"  {parameter.name}: {parameter.kind}" for parameter in call.parameters)
        yield from (f"  takes {fields_of(body)}" for body in call.takes)
        yield from (f"  answers {body.status} {fields_of(body)}" for body in call.answers if body.status != "default")


def fields_of(body: Body) -> str:
    return f"{body.name} {{{', '.join(marked(field) for field in body.fields)}}}"


def marked(field: Field) -> str:
    return f"{field.name}{'' if field.required else '?'}: {field.kind}"


async def test_the_contract_is_valid_and_as_written_down(app: Quart) -> None:
    told = await answered(app, "GET", "/openapi.json")
    validate(told.body)
    assert "\n".join(outline(told.body)) + "\n" == WRITTEN_DOWN.read_text("utf-8")


async def test_the_contract_holds_nothing_of_the_console(app: Quart) -> None:
    paths = (await answered(app, "GET", "/openapi.json")).body["paths"]
    assert all(path.startswith("/api/v1/") or path in {"/livez", "/readyz"} for path in paths)


async def test_every_operation_says_how_it_refuses_and_who_may_call_it(app: Quart) -> None:
    contract = (await answered(app, "GET", "/openapi.json")).body
    for path, operations in contract["paths"].items():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"], path
            assert operation["summary"], path
            assert operation["security"] == ([] if path in {"/livez", "/readyz", "/api/v1/plans"} else [{"bearer": []}])


async def test_the_page_shows_every_call_and_loads_nothing_from_elsewhere(app: Quart) -> None:
    page = await answered(app, "GET", "/docs")
    contract = (await answered(app, "GET", "/openapi.json")).body
    assert page.headers["Content-Type"].startswith("text/html")
    for path, operations in contract["paths"].items():
        assert f"<code>{path}</code>" in page.text
        for operation in operations.values():
            assert f'id="{operation["operationId"]}"' in page.text
    assert "://" not in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
