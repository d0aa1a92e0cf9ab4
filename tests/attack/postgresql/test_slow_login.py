import pytest

from syneudp.engines.contract import State
from tests.attack.postgresql.conftest import Pair
from tests.attack.postgresql.slow_login import RefusedError, begin_login, ended


async def test_a_slow_login_that_nobody_hurries_gets_in(pair: Pair) -> None:
    login = await begin_login(pair.attacker)
    await login.finish()
    await login.query("SELECT 1")
    login.close()


async def test_a_login_begun_before_a_suspend_is_refused_after_it(pair: Pair) -> None:
    login = await begin_login(pair.attacker)
    await pair.attacker.want(State.SUSPENDED)
    with pytest.raises((RefusedError, EOFError)):
        await login.finish()
    login.close()


async def test_a_login_begun_before_a_rotation_is_cut_after_it_and_later_ones_are_not(pair: Pair) -> None:
    login = await begin_login(pair.attacker)
    pair.attacker.change_password()
    await pair.attacker.want(State.RUNNING)
    fresh = await pair.attacker.connect()
    await login.finish()
    assert await ended(login)
    assert await fresh.fetchval("SELECT 1") == 1
    await fresh.close()
    login.close()


async def test_a_login_begun_before_a_suspend_with_a_rotation_is_cut_after_the_resume(pair: Pair) -> None:
    login = await begin_login(pair.attacker)
    pair.attacker.change_password()
    await pair.attacker.want(State.SUSPENDED)
    await pair.attacker.want(State.RUNNING)
    try:
        await login.finish()
    except (RefusedError, EOFError):
        return
    assert await ended(login)
