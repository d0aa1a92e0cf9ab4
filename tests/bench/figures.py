"""How a benchmark's figures are taken together and printed."""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path


def median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def say_machine(*servers: str) -> None:
    load = os.getloadavg()
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
            if "model name" in line
        ),
        "unknown processor",
    )
    print(f"{os.cpu_count()} processors ({model}); load {load[0]:.1f} at the start; {', '.join(servers)}")


def say_table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[column]) for line in (header, *lines)) for column in range(len(header))]
    print(f"\n{title}")
    for line in (header, ["-" * width for width in widths], *lines):
        print(
            "  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip(), flush=True
        )
