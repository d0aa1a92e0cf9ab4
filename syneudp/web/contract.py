"""The API's contract as OpenAPI 3.1, made from the routes themselves."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from quart import Quart
from quart.json.provider import DefaultJSONProvider
from quart_schema import HttpSecurityScheme, Info, OpenAPIProvider, QuartSchema
from quart_schema.conversion import model_schema
from quart_schema.typing import PydanticDumpOptions
from werkzeug.routing import Rule, UUIDConverter
from werkzeug.routing.converters import BaseConverter

from syneudp.kernel.problems import MEDIA_TYPE
from syneudp.web.access import Access, rule_of

CONTRACT_VERSION: Final = "1.0.0"
BEARER: Final = "bearer"
DESCRIPTION: Final = (
    "Databases by the second. Every error is `application/problem+json` (RFC 9457). Instants are RFC 3339 in UTC; "
    "money is an integer count of millionths of the currency unit. Unknown fields are refused."
)

REFUSAL: Final = {
    "description": "A problem.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class ProblemFault(BaseModel):
    """One fault of a request."""

    pointer: str = Field(description="JSON Pointer (RFC 6901) to the faulty place.")
    detail: str


class ProblemBody(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="An identifier of the kind of problem; nothing fetches it.")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable and made for programs.")
    request_id: str
    errors: list[ProblemFault] | None = None


class WrittenJSON(DefaultJSONProvider):
    """Answers in the order their schemas list the fields."""

    sort_keys = False


class ContractProvider(OpenAPIProvider):
    """Adds what every operation has in common: who may call it, how it refuses, identifiers that are UUIDs."""

    def schema(self) -> dict[str, Any]:
        """Build the whole contract, its paths in alphabetical order."""
        contract: dict[str, Any] = super().schema()
        problem = model_schema(ProblemBody, schema_mode="serialization")
        contract["components"]["schemas"].update(problem.pop("$defs", {}))
        contract["components"]["schemas"]["Problem"] = problem
        contract["paths"] = dict(sorted(contract["paths"].items()))
        contract["components"]["schemas"] = dict(sorted(contract["components"]["schemas"].items()))
        return contract

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """Build one route's operations."""
        paths, components = super().build_paths(rule)
        needs_token = rule_of(self._app.view_functions[rule.endpoint]) is Access.CUSTOMER
        for operations in paths.values():
            for operation in operations.values():
                operation["security"] = [{BEARER: []}] if needs_token else []
                answers = {str(status): answer for status, answer in operation["responses"].items()}
                operation["responses"] = {**dict(sorted(answers.items())), "default": REFUSAL}
        return paths, components

    def build_path_parameter(self, name: str, converter: BaseConverter) -> dict[str, Any]:
        """Describe one parameter of a path."""
        parameter: dict[str, Any] = super().build_path_parameter(name, converter)
        if isinstance(converter, UUIDConverter):
            parameter["schema"]["format"] = "uuid"
        return parameter


def install_contract(app: Quart) -> None:
    """Validate requests and answers against the routes' schemas; the API's own routes serve the contract itself."""
    QuartSchema(
        app,
        openapi_path=None,
        info=Info(title="SyneUDP", version=CONTRACT_VERSION, description=DESCRIPTION),
        security_schemes={BEARER: HttpSecurityScheme(scheme="bearer", bearer_format="JWT")},
        conversion_preference="pydantic",
        pydantic_dump_options=PydanticDumpOptions(by_alias=True),
        openapi_provider_class=ContractProvider,
    )
    app.json = WrittenJSON(app)


def contract_of(app: Quart) -> dict[str, Any]:
    """Hand out an app's contract as plain JSON values."""
    schema: QuartSchema = app.extensions["QUART_SCHEMA"]
    contract: dict[str, Any] = schema.openapi_provider.schema()
    return contract
