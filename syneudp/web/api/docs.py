"""The contract for programs and, on a page that loads nothing from elsewhere, for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quart import Blueprint, Response, current_app, jsonify, render_template
from quart_schema import hide

from syneudp.web.access import Access, access
from syneudp.web.contract import contract_of
from syneudp.web.limits import READING, limited

STYLESHEET: Final = Path(__file__).parent / "static" / "docs.css"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body, or a parameter."""

    name: str
    kind: str
    required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Body:
    """A body that a call takes or answers with; `status` is empty for what it takes."""

    status: str
    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the page shows it."""

    anchor: str
    method: str
    path: str
    summary: str
    about: str
    needs_token: bool
    parameters: tuple[Field, ...]
    takes: tuple[Body, ...]
    answers: tuple[Body, ...]


def add_routes(blueprint: Blueprint) -> None:
    """Add this noun's routes."""
    blueprint.get("/openapi.json")(show_contract)
    blueprint.get("/docs")(show_docs)
    blueprint.get("/docs.css")(show_stylesheet)


@hide
@access(Access.PUBLIC)
@limited(READING)
async def show_contract() -> Response:
    """Show the contract as OpenAPI 3.1."""
    return jsonify(contract_of(current_app))


@hide
@access(Access.PUBLIC)
@limited(READING)
async def show_docs() -> str:
    """Show the contract as a page."""
    contract = contract_of(current_app)
    return await render_template("docs.html", info=contract["info"], calls=list(list_calls(contract)))


@hide
@access(Access.PUBLIC)
@limited(READING)
async def show_stylesheet() -> Response:
    """Show the page's stylesheet."""
    return Response(STYLESHEET.read_text("utf-8"), content_type="text/css; charset=utf-8")


def list_calls(contract: Mapping[str, Any]) -> Iterator[Call]:
    """Read every call out of a contract, in the order of its paths."""
    components: Mapping[str, Any] = contract["components"]["schemas"]
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            yield Call(
                anchor=operation["operationId"],
                method=method.upper(),
                path=path,
                summary=operation.get("summary", ""),
                about=operation.get("description", "").strip(),
                needs_token=bool(operation["security"]),
                parameters=tuple(_parameter(told) for told in operation["parameters"]),
                takes=tuple(_bodies({"": operation["requestBody"]} if "requestBody" in operation else {}, components)),
                answers=tuple(_bodies(operation["responses"], components)),
            )


def _parameter(told: Mapping[str, Any]) -> Field:
    return Field(
        name=told["name"],
        kind=f"{told['in']}, {_kind(told['schema'])}",
        required=bool(told.get("required", False)),
        about=told.get("description", ""),
    )


def _bodies(bodies: Mapping[str, Any], components: Mapping[str, Any]) -> Iterator[Body]:
    for status, body in bodies.items():
        for media in body.get("content", {}).values():
            schema = _resolved(media["schema"], components)
            required = schema.get("required", [])
            yield Body(
                status=str(status),
                name=schema.get("title", ""),
                fields=tuple(
                    Field(name=name, kind=_kind(told), required=name in required, about=told.get("description", ""))
                    for name, told in schema.get("properties", {}).items()
                ),
            )


def _resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    reference: str | None = schema.get("$ref")
    return schema if reference is None else components[reference.rpartition("/")[2]]


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(option) for option in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")
