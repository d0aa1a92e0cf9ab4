"""Settings from the environment, read once: each variable also as NAME_FILE, every fault told at once."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from syneudp.kernel.addresses import BindRefusedError, internal_binds

FILE_SUFFIX: Final = "_FILE"
FILE_BYTES_MAX: Final = 65_536
Loaded = TypeVar("Loaded", bound="Settings")


def _internal(bind: str) -> str:
    try:
        internal_binds(bind)
    except BindRefusedError as fault:
        raise ValueError(str(fault)) from None
    return bind


class SettingsInvalidError(Exception):
    """A role's settings have faults; `faults` lists every one as a sentence that shows no value."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class EnvironmentAndFiles(EnvSettingsSource):
    """The environment, with the content of the file that NAME_FILE names standing in for NAME."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        values, _ = read_environment(os.environ)
        return values


class Settings(BaseSettings):
    """What every role needs; rooms add theirs as further classes and an entrypoint composes them.

    Each field names its variable as `validation_alias`. An empty variable or file counts as absent.
    """

    model_config = SettingsConfigDict(
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        case_sensitive=True,
        enable_decoding=False,
        hide_input_in_errors=True,
    )

    environment: Literal["production", "local"] = Field("production", validation_alias="SYNEUDP_ENVIRONMENT")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="SYNEUDP_LOG_LEVEL")
    metrics_bind: Annotated[str, AfterValidator(_internal)] | None = Field(
        None, validation_alias="SYNEUDP_METRICS_BIND"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the environment and its files alone."""
        return (init_settings, EnvironmentAndFiles(settings_cls))

    def secrets(self) -> list[str]:
        """List the exact values that must never be logged, passwords inside connection URIs included."""
        return [told for told in _secret_values(self) if told]


def load_settings(settings_class: type[Loaded]) -> Loaded:
    """Read a role's settings. Raises SettingsInvalidError listing every fault at once."""
    _, faults = read_environment(os.environ, names=variable_names(settings_class))
    try:
        settings = settings_class()
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(fault["loc"][0]) if fault["loc"] else "settings"
            faults.append(f"{name}: {_sentence(fault)}")
        raise SettingsInvalidError(faults) from None
    if faults:
        raise SettingsInvalidError(faults)
    return settings


def variable_names(settings_class: type[Settings]) -> frozenset[str]:
    """Name every variable that a settings class reads."""
    return frozenset(str(field.validation_alias) for field in settings_class.model_fields.values())


def read_environment(
    environment: Mapping[str, str], *, names: frozenset[str] | None = None
) -> tuple[dict[str, str | None], list[str]]:
    """Merge NAME and NAME_FILE; returns the values and a sentence a fault: both set, or a file that cannot be read."""
    values: dict[str, str | None] = {name: told for name, told in environment.items() if told}
    faults: list[str] = []
    for variable, path in environment.items():
        name = variable.removesuffix(FILE_SUFFIX)
        if name == variable or not path or (names is not None and name not in names):
            continue
        if environment.get(name):
            faults.append(f"{name}: set either {name} or {variable}, not both")
            continue
        try:
            content = Path(path).read_bytes()[: FILE_BYTES_MAX + 1].decode()
        except (OSError, UnicodeDecodeError):
            faults.append(f"{name}: the file that {variable} names cannot be read as text")
            continue
        if len(content) > FILE_BYTES_MAX:
            faults.append(f"{name}: the file that {variable} names is too large")
            continue
        told = content.removesuffix("\n").removesuffix("\r")
        if told:
            values[name] = told
    return values, faults


def _sentence(fault: Any) -> str:
    if fault["type"] == "missing":
        return "is required"
    return str(fault["msg"]).removeprefix("Value error, ")


def _secret_values(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        held = getattr(settings, name)
        if isinstance(held, SecretStr):
            secret = held.get_secret_value()
            yield secret
            credentials, separator, _ = secret.partition("://")[2].rpartition("@")
            if separator:
                yield credentials.partition(":")[2]
