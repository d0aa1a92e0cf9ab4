"""The state folder of the development launcher: who may use it, one launcher at a time, and the secrets made for it."""

import contextlib
import fcntl
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from entrypoints.local_terminal import LaunchError

FOLDER_MODE = 0o700
SECRET_MODE = 0o600
SEARCHABLE_FOLDER_MODE = 0o711
OTHERS_MASK = 0o066


def _owner_name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user number {user_id}"


def make_state_folder(folder: Path) -> None:
    """Make the folder that everything else stands in, or check the one that is there.

    Root's can be passed through by the account that root hands the engines to, and still be read by nobody else.
    Raises LaunchError.
    """
    make_private_folder(folder)
    if os.geteuid() == 0:
        folder.chmod(SEARCHABLE_FOLDER_MODE)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only this account can read, or check the one that is there.

    Raises LaunchError where it is no folder, another account's, or cannot be written.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = folder.stat()
    except FileExistsError as error:
        raise LaunchError(f"{folder} is in the way: it is a file, and the state folder has to stand there.") from error
    except NotADirectoryError as error:
        raise LaunchError(f"{folder} cannot be made: a part of its path is a file.") from error
    except PermissionError as error:
        raise LaunchError(f"{folder} cannot be made or read by this account.") from error
    except OSError as error:
        raise LaunchError(f"{folder} cannot be made: {error.strerror}.") from error
    if found.st_uid != os.geteuid():
        raise LaunchError(
            f"{folder} belongs to {_owner_name(found.st_uid)}, not to {_owner_name(os.geteuid())}: "
            "start as its owner, or set SYNEUDP_STATE to another folder."
        )
    if stat.S_IMODE(found.st_mode) & OTHERS_MASK:
        folder.chmod(FOLDER_MODE)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise LaunchError(f"{folder} cannot be written: give its owner read, write and search permission again.")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the state folder for this launcher alone until the block ends, or the process does.

    Raises LaunchError, with the other launcher's process id, where one holds it already.
    """
    path = folder / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SECRET_MODE)
    except OSError as error:
        raise LaunchError(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise LaunchError(
                f"{folder} is in use by another launcher (process {holder}): stop that one, "
                "or set SYNEUDP_STATE and PORT_OFFSET to run a second one beside it."
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


class Secrets:
    """The generated secrets of one state folder, one file each (mode 0600), made once and read ever after."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "secrets"
        make_private_folder(self._folder)

    def take(self, name: str, make: Callable[[], str]) -> str:
        """Return the secret of that name, made on first use; raises LaunchError where its file is broken."""
        path = self._folder / name
        try:
            kept = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return self._keep(path, make())
        except (OSError, UnicodeDecodeError) as error:
            raise LaunchError(
                f"The secret in {path} cannot be read; restore it, or start with a new folder."
            ) from error
        if not kept:
            raise LaunchError(f"The secret in {path} is empty; restore it, or start with a new folder.")
        return kept

    @staticmethod
    def _keep(path: Path, secret: str) -> str:
        write_private(path, f"{secret}\n")
        return secret


def write_private(path: Path, text: str) -> None:
    """Write a file that only this account can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, SECRET_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise LaunchError(f"{path} cannot be written: {error.strerror}.") from error
