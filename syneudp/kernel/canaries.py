"""A canary for each sealing key: a role refuses to start with keys that cannot open what its database holds."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from syneudp.kernel.database import Connection, execute, rows
from syneudp.kernel.sealing import Keyring, SealBrokenError, sealing_prefix
from syneudp.kernel.settings import SettingsInvalidError

FIELD: Final = "canary"
SONG: Final = b"syneudp canary"
REMEMBER_CANARY: Final = (
    "INSERT INTO sealing_canaries (holder, key_id, sealed) VALUES ($1, $2, $3) ON CONFLICT (holder, key_id) DO NOTHING"
)
READ_CANARIES: Final = "SELECT key_id, sealed FROM sealing_canaries WHERE holder = $1 ORDER BY key_id"

StillSealed = Callable[[Connection, bytes], Awaitable[bool]]


async def open_canaries(tx: Connection, keyring: Keyring, *, holder: str, still_sealed: Sequence[StillSealed]) -> None:
    """Open the canary of every key, and leave one for each key that is held for the first time.

    `holder` names who shares the keyring (`control`, `local_auth`): two holders may use one key id for different keys.
    Each of `still_sealed` says whether a record stands whose sealed value begins with a key's prefix. Raises
    SettingsInvalidError where a held key does not open its canary, or where a key that is not held is still needed.
    """
    for key_id in sorted(keyring.key_ids):
        sealed = keyring.writing_with(key_id).seal(SONG, record=uuid5(NAMESPACE_URL, holder), field=FIELD)
        await execute(tx, REMEMBER_CANARY, holder, key_id, sealed)
    faults = []
    for canary in await rows(tx, READ_CANARIES, holder):
        key_id = canary["key_id"]
        if key_id in keyring.key_ids:
            if not _opens(keyring, canary["sealed"], holder):
                faults.append(f"SYNEUDP_SEALING_KEYS: its key {key_id} is not the one this database was sealed with")
        elif any([await holds(tx, sealing_prefix(key_id)) for holds in still_sealed]):
            faults.append(f"SYNEUDP_SEALING_KEYS: lacks key {key_id}, which records of this database are sealed with")
    if faults:
        raise SettingsInvalidError(faults)


def _opens(keyring: Keyring, sealed: bytes, holder: str) -> bool:
    try:
        return keyring.unseal(sealed, record=uuid5(NAMESPACE_URL, holder), field=FIELD) == SONG
    except SealBrokenError:
        return False
