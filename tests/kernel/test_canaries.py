import base64
from uuid import uuid4

import pytest

from syneudp.kernel.canaries import open_canaries
from syneudp.kernel.database import Connection, reading, transact, value
from syneudp.kernel.sealing import Keyring, sealing_prefix
from syneudp.kernel.settings import SettingsInvalidError
from tests.servers import ControlDatabase


def keys(**named: int) -> Keyring:
    return Keyring.parse(
        ",".join(f"{name}:{base64.b64encode(bytes([byte]) * 32).decode()}" for name, byte in named.items())
    )


async def start(keyring: Keyring, *needed: str, holder: str = "control") -> None:
    async def still_sealed(_tx: Connection, prefix: bytes) -> bool:
        return prefix in {sealing_prefix(key_id) for key_id in needed}

    async def sing(tx: Connection) -> None:
        await open_canaries(tx, keyring, holder=holder, still_sealed=[still_sealed])

    await transact(sing)


async def canaries() -> int:
    return int(await value(reading(), "SELECT count(*) FROM sealing_canaries"))


async def test_the_first_start_leaves_a_canary_a_key_and_later_ones_open_it(control: ControlDatabase) -> None:
    await start(keys(k1=1, k2=2))
    await start(keys(k2=2, k1=1))
    assert await canaries() == 2


async def test_a_key_of_the_same_id_and_other_bytes_is_refused(control: ControlDatabase) -> None:
    await start(keys(k1=1))
    with pytest.raises(SettingsInvalidError, match="k1") as refused:
        await start(keys(k2=2, k1=9))
    assert len(refused.value.faults) == 1
    assert await canaries() == 1


async def test_a_key_that_records_still_need_may_not_be_left_out(control: ControlDatabase) -> None:
    await start(keys(k1=1))
    with pytest.raises(SettingsInvalidError, match="lacks key k1"):
        await start(keys(k2=2), "k1")
    await start(keys(k2=2), "k2")


async def test_two_holders_may_call_different_keys_alike(control: ControlDatabase) -> None:
    await start(keys(local1=1))
    await start(keys(local1=2), holder="local_auth")
    assert await canaries() == 2


def test_a_sealed_value_begins_with_the_prefix_of_its_key() -> None:
    keyring = keys(k1=1, second=2)
    sealed = keyring.writing_with("second").seal(b"x", record=uuid4(), field="f")
    assert sealed.startswith(sealing_prefix("second"))
