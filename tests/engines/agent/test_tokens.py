from pathlib import Path

import pytest

from syneudp.engines.agent.guard import TokenGuard
from syneudp.engines.agent.tokens import reload_tokens

OLD, NEW, NEXT = "old " * 10, "new " * 10, "next" * 10


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    token, following = tmp_path / "token", tmp_path / "next"
    token.write_text(OLD + "\n", "utf-8")
    following.write_text("", "utf-8")
    for name in ("SYNEUDP_AGENT_TOKEN", "SYNEUDP_AGENT_TOKEN_NEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNEUDP_AGENT_TOKEN_FILE", str(token))
    monkeypatch.setenv("SYNEUDP_AGENT_TOKEN_NEXT_FILE", str(following))
    return token, following


async def test_a_token_is_replaced_by_way_of_two_that_are_both_accepted(files: tuple[Path, Path]) -> None:
    token, following = files
    guard = TokenGuard([])
    await reload_tokens(guard)
    assert accepted(guard) == [OLD]
    following.write_text(NEXT, "utf-8")
    await reload_tokens(guard)
    assert accepted(guard) == [OLD, NEXT]
    token.write_text(NEXT, "utf-8")
    following.write_text("", "utf-8")
    await reload_tokens(guard)
    assert accepted(guard) == [NEXT]


@pytest.mark.parametrize("content", ["short", "", None])
async def test_a_file_that_holds_no_token_leaves_the_old_one_in_force(
    files: tuple[Path, Path], content: str | None
) -> None:
    token, _ = files
    guard = TokenGuard([OLD])
    token.unlink() if content is None else token.write_text(content, "utf-8")
    await reload_tokens(guard)
    assert accepted(guard) == [OLD]


def accepted(guard: TokenGuard) -> list[str]:
    return [token for token in (OLD, NEW, NEXT) if guard.accepts([token])]
