import json
import logging

import pytest

from syneudp.kernel.logging import configure_logging, log

CANARY = "s3cret-canary-value"


@pytest.fixture(autouse=True)
def _restore() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level


def test_no_secret_reaches_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", secrets=[CANARY], role="api")
    log.info("known_value", note=f"it is {CANARY} here")
    log.info("by_name", password="hunter22", nested={"api_key": "abc"}, authorization="Bearer x")
    log.info(
        "by_shape",
        uri="postgresql://u:pa55word@h/db",
        token_text="eyJhbGciOi.eyJzdWIi.c2ln",
        verifier="SCRAM-SHA-256$4096:a$b:c",
    )
    logging.getLogger("another.package").warning("connecting to postgresql://u:pa55word@h/db with %s", CANARY)
    try:
        raise ValueError(CANARY)
    except ValueError:
        log.exception("failed")
    written = capsys.readouterr().err
    for secret in (CANARY, "hunter22", 'abc"', "pa55word", "eyJhbGciOi", "4096:a"):
        assert secret not in written
    lines = [json.loads(line) for line in written.splitlines()]
    assert {line["event"] for line in lines} >= {"known_value", "by_name", "by_shape", "failed"}
    assert all(line["role"] == "api" and "timestamp" in line for line in lines)
