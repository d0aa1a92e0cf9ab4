"""Tokens that change while the agent runs: the files that hold them are read again and again."""

from typing import Final

from syneudp.engines.agent.guard import TokenGuard
from syneudp.engines.agent.settings import TokenSettings
from syneudp.kernel.logging import log
from syneudp.kernel.settings import SettingsInvalidError, load_settings

RELOAD_EVERY_SECONDS: Final = 2.0


async def reload_tokens(guard: TokenGuard) -> None:
    """Accept what the environment and its files hold now; what cannot be read or is too short changes nothing."""
    try:
        tokens = load_settings(TokenSettings).tokens
    except SettingsInvalidError as fault:
        log.warning("tokens_not_reloaded", faults=fault.faults)
        return
    if guard.replace(tokens):
        log.info("tokens_reloaded", count=len(tokens))
