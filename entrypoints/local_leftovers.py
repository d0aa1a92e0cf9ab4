"""What a killed launcher may have left behind: its children, who were told to stop and may not have finished."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from entrypoints.local_state import write_private
from entrypoints.local_terminal import step

PATIENCE_SECONDS: Final = 20.0
LOOK_EVERY_SECONDS: Final = 0.1
START_TIME_FIELD: Final = 21


def started_at(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, or None where there is none (proc(5), field 22).

    A zombie counts as gone.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] == "Z":
        return None
    return int(fields[START_TIME_FIELD - 2])


def children_of(parent: int) -> list[int]:
    """Return the processes whose parent is the given one."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(folder.name))
    return found


class Census:
    """The children of the launcher that runs over a state folder, on record until they have been stopped."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "processes.json"

    def record(self, processes: Sequence[int]) -> None:
        """Write down which processes run now, each with its start, so that a reused number is told apart."""
        children = {str(pid): began for pid in processes if (began := started_at(pid)) is not None}
        write_private(self._path, json.dumps(children))

    def clear(self) -> None:
        """Strike the record: all of them have been stopped."""
        self._path.unlink(missing_ok=True)

    def _alive(self) -> list[int]:
        try:
            recorded = json.loads(self._path.read_text(encoding="utf-8"))
            return [int(pid) for pid, began in recorded.items() if started_at(int(pid)) == began]
        except (OSError, ValueError, AttributeError):
            return []

    async def outlive(self) -> None:
        """Wait until nothing of an earlier launcher is left, and end by force what takes longer than twenty seconds."""
        if not self._alive():
            return
        async with step("Waiting for what the last launcher left behind to stop", "Nothing is left of the last start"):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while alive := self._alive():
                if time.monotonic() > deadline:
                    for pid in alive:
                        with suppress(ProcessLookupError, PermissionError):
                            os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(LOOK_EVERY_SECONDS)
