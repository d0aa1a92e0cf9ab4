"""Under which account an engine runs, and where that account can reach its programs and data.

PostgreSQL refuses to run as root, so root hands every engine to an unprivileged account.
"""

import hashlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from entrypoints.embedded.errors import EmbeddedEngineError

UNPRIVILEGED_ACCOUNT: Final = "nobody"
REACHABLE_FOLDER: Final = Path("/var/lib/syneudp")
SEARCHABLE: Final = 0o001
PRIVATE_FOLDER_MODE: Final = 0o700
PRIVATE_FILE_MODE: Final = 0o600

DeathSignal = Literal["INT", "TERM", "KILL"]


@dataclass(frozen=True)
class Account:
    """Who runs an engine; `switches` is true where root has to hand the process over to it."""

    uid: int
    gid: int
    switches: bool


def engine_account() -> Account:
    """Choose the account: the caller itself, or an unprivileged one where the caller is root."""
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid(), switches=False)
    entry = pwd.getpwnam(UNPRIVILEGED_ACCOUNT)
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, switches=True)


def command_as(account: Account, command: Sequence[str], *, death_signal: DeathSignal) -> list[str]:
    """Wrap a command so that it runs under the account and gets the signal when the thread that started it is gone.

    The signal is asked for after the account was changed, because Linux forgets it at every change of credentials.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedEngineError("The program setpriv, a part of util-linux, is missing; install util-linux.")
    handover = [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"] if account.switches else []
    return [setpriv, *handover, "--pdeathsig", death_signal, "--", *command]


def engine_environment() -> dict[str, str]:
    """Give an engine a small environment of its own: no secret of the caller goes to it."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent"}


def is_reachable(path: Path, account: Account) -> bool:
    """Say whether every folder above the path lets the account through."""
    if not account.switches:
        return True
    return all(folder.stat().st_mode & SEARCHABLE for folder in path.resolve().parents if folder.exists())


def private_folder(folder: Path, account: Account) -> Path:
    """Make a 0700 folder of the account, or a link to one elsewhere where the account could not get to the folder.

    Returns the folder to work with. What is there already is kept.
    """
    if folder.is_symlink() and folder.exists():
        return folder.resolve()
    if folder.is_symlink():
        folder.unlink()
    folder.parent.mkdir(parents=True, exist_ok=True)
    if is_reachable(folder, account):
        folder.mkdir(mode=PRIVATE_FOLDER_MODE, exist_ok=True)
        hand_over(folder, account, PRIVATE_FOLDER_MODE)
        return folder.resolve()
    elsewhere = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=_reachable_room("data")))
    hand_over(elsewhere, account, PRIVATE_FOLDER_MODE)
    if folder.exists():
        folder.rmdir()
    folder.symlink_to(elsewhere)
    return elsewhere


def reachable_programs(folder: Path, account: Account) -> Path:
    """Return the folder itself, or a copy of it that belongs to root and that the account can reach."""
    if is_reachable(folder / "program", account):
        return folder
    mark = f"{folder.resolve()} {folder.stat().st_mtime_ns}"
    copy = _reachable_room("programs") / f"{folder.name}-{hashlib.sha256(mark.encode()).hexdigest()[:16]}"
    if copy.is_dir():
        return copy
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=copy.parent))
    shutil.copytree(folder, partial / "copy", symlinks=True)
    try:
        (partial / "copy").rename(copy)
    except OSError:
        if not copy.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return copy


def write_private(path: Path, content: str | bytes, account: Account) -> None:
    """Write a file that the account alone can read, never half."""
    data = content.encode() if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if account.switches:
            os.fchown(file.fileno(), account.uid, account.gid)
    partial.replace(path)


def hand_over(path: Path, account: Account, mode: int) -> None:
    """Give a path to the account with exactly this mode."""
    path.chmod(mode)
    if account.switches:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _reachable_room(name: str) -> Path:
    room = REACHABLE_FOLDER / name
    room.mkdir(mode=0o755, parents=True, exist_ok=True)
    return room
