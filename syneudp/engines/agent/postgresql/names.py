"""Identifiers and literals for the statements that take no parameters."""

from typing import Final

from syneudp.engines.agent.driver import NAME_PATTERN
from syneudp.engines.contract import Scheme
from syneudp.engines.verifiers import check_verifier

KIBIBYTE: Final = 1024


def checked(name: str) -> str:
    """Answer a name of the agent's own form. Raises ValueError for any other, which no caller can have stored."""
    if NAME_PATTERN.fullmatch(name) is None:
        raise ValueError("not a name that the agent chose")
    return name


def quoted(name: str) -> str:
    """Quote a name of the agent's own form. Raises ValueError for any other."""
    return f'"{checked(name)}"'


def quoted_verifier(verifier: str) -> str:
    """Quote a SCRAM verifier. Raises VerifierInvalidError."""
    check_verifier(Scheme.SCRAM_SHA_256, verifier)
    return f"'{verifier}'"


def temp_file_limit(temp_bytes: int) -> str:
    """Write a limit in bytes the way temp_file_limit takes it: kibibytes, rounded up."""
    return f"{-(-temp_bytes // KIBIBYTE)}kB"
