import multiprocessing
import os
import stat
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from entrypoints.local_state import Secrets, locked, make_private_folder, make_state_folder, write_private
from entrypoints.local_terminal import LaunchError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_state_folder_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    make_state_folder(tmp_path / "state")
    assert mode(tmp_path / "state") in {0o700, 0o711}


def test_a_folder_that_others_may_read_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    make_private_folder(folder)
    assert not mode(folder) & 0o066


def test_a_file_in_the_way_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(LaunchError, match="it is a file"):
        make_state_folder(tmp_path / "state")
    with pytest.raises(LaunchError, match="a part of its path is a file"):
        make_state_folder(tmp_path / "state" / "below")


def test_a_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    foreign = Path("/usr")
    if os.geteuid() == 0:
        foreign = tmp_path / "state"
        foreign.mkdir()
        os.chown(foreign, 65534, 65534)
    with pytest.raises(LaunchError, match="belongs to"):
        make_state_folder(foreign)


def hold(folder: Path, held: Event, release: Event) -> None:
    with locked(folder):
        held.set()
        release.wait(30)


def test_two_launchers_never_share_a_state_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, held, release))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(LaunchError, match=f"in use by another launcher .process {other.pid}."), locked(tmp_path):
            pass
    finally:
        release.set()
        other.join(30)
    with locked(tmp_path):
        pass


def test_a_secret_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    first = Secrets(tmp_path).take("agent-token", lambda: "made-once")
    assert Secrets(tmp_path).take("agent-token", lambda: "made-again") == first == "made-once"
    assert mode(tmp_path / "secrets") == 0o700
    assert mode(tmp_path / "secrets" / "agent-token") == 0o600


@pytest.mark.parametrize(("content", "told"), [(b"", "is empty"), (b"\xff\xfe", "cannot be read")])
def test_a_broken_secret_is_never_replaced_in_silence(tmp_path: Path, content: bytes, told: str) -> None:
    keep = Secrets(tmp_path)
    (tmp_path / "secrets" / "agent-token").write_bytes(content)
    with pytest.raises(LaunchError, match=told):
        keep.take("agent-token", lambda: "new")
    assert (tmp_path / "secrets" / "agent-token").read_bytes() == content


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    write_private(path, "first")
    write_private(path, "second")
    assert path.read_text() == "second"
    assert mode(path) == 0o600
    with pytest.raises(LaunchError, match="cannot be written"):
        write_private(tmp_path / "missing" / "kept", "lost")
