from dataclasses import dataclass

import pytest

from syneudp.engines.agent.mysql.batch import Answer, Statement
from syneudp.engines.agent.mysql.connections import Session

READING = ("SELECT", "SHOW", "XA RECOVER", "DO ")


class CutError(Exception):
    """The session breaks here."""


@dataclass
class Cut:
    """How many changing statements may still run before the session breaks, and whether it has."""

    left: int
    died: bool = False


def cut_after(patched: pytest.MonkeyPatch, statements: int) -> Cut:
    """Break the session before the next changing statement after so many, in the middle of a trip too."""
    batch, cut = Session.batch, Cut(statements)

    async def batch_or_die(session: Session, *told: Statement) -> list[Answer]:
        changing = [place for place, statement in enumerate(told) if not statement.sql.lstrip().startswith(READING)]
        if len(changing) <= cut.left:
            cut.left -= len(changing)
            return await batch(session, *told)
        done = told[: changing[cut.left]]
        cut.left, cut.died = 0, True
        if done:
            await batch(session, *done)
        session.close()
        raise CutError

    patched.setattr(Session, "batch", batch_or_die)
    return cut
