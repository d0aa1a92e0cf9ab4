"""JSON lines on stderr, redaction last: a secret that reaches a log call does not reach the log."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

import structlog

REDACTED: Final = "[redacted]"
SECRET_NAMES: Final = re.compile(
    r"password|secret|token|authorization|cookie|verifier|sealed|private_key|api_?key", re.IGNORECASE
)
SECRET_SHAPES: Final = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|sb_secret_\w+|[sr]k_(?:live|test)_\w+|whsec_[\w+/=]+|syneudp_[A-Za-z0-9]{20,}"
    r"|SCRAM-SHA-256\$\S+|\$A\$005\$\S+|(?<=\W)\*[0-9A-F]{40}"
)
URI_PASSWORD: Final = re.compile(r"(?<=://)([^\s:/@]*):([^\s@/]+)@")
SECRET_LENGTH_MIN: Final = 8
LEVELS: Final = ("debug", "info", "warning", "error")

log: structlog.stdlib.BoundLogger = structlog.get_logger("syneudp")


class Redaction:
    """The last step before a line is written: names, shapes and known values of secrets are replaced."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(
            sorted({known for known in secrets if len(known) >= SECRET_LENGTH_MIN}, key=len, reverse=True)
        )

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact one event, in depth."""
        return {name: self._value(name, told) for name, told in event.items()}

    def text(self, told: str) -> str:
        """Redact a sentence."""
        for known in self._secrets:
            told = told.replace(known, REDACTED)
        return URI_PASSWORD.sub(rf"\1:{REDACTED}@", SECRET_SHAPES.sub(REDACTED, told))

    def _value(self, name: str, told: Any) -> Any:
        if SECRET_NAMES.search(name) and not isinstance(told, bool | int):
            return REDACTED
        if isinstance(told, str):
            return self.text(told)
        if isinstance(told, Mapping):
            return {key: self._value(str(key), inner) for key, inner in told.items()}
        if isinstance(told, list | tuple | set | frozenset):
            return [self._value(name, inner) for inner in told]
        return told if isinstance(told, bool | int | float | None) else self.text(str(told))


def configure_logging(level: str = "info", *, secrets: Iterable[str] = (), role: str = "") -> None:
    """Send every logger of the process, the libraries' included, through the same JSON lines and redaction.

    Level is one of debug, info, warning, error; `secrets` are exact values never to be written.
    """
    redaction = Redaction(secrets)

    def name_role(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["role"] = role
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        name_role,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redaction,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    logging.getLogger("tortoise").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
