"""What importing aldis costs: CPU time beside that of what it stands on, medians of fresh processes in turns.

``python benchmarks/imports.py [PROCESSES]``. Each process imports one thing, and counts its own CPU time.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

PAIRS = {
    "aldis.orm": ("import aldis.orm", "import sqlalchemy.ext.asyncio, sqlalchemy.orm", 1.25),
    "aldis.Signal": ("import aldis; aldis.Signal", "import blinker", 1.5),
}
"""The import, that of a peer, and the most that it may be of the peer's."""

AROUND = "import time; began = time.process_time(); {}; print(time.process_time() - began)"


def seconds(statement: str) -> float:
    """Return the CPU time of an import in a process of its own, in seconds."""
    done = subprocess.run([sys.executable, "-c", AROUND.format(statement)], capture_output=True, check=True, text=True)
    return float(done.stdout)


def main(processes: int) -> None:
    """Measure each pair in turns, and print the medians in milliseconds."""
    for name, (ours, theirs, aim) in PAIRS.items():
        laps = [(seconds(ours), seconds(theirs)) for _ in range(processes + 1)][1:]  # the first reads the disk
        mine, peer = (median(column) * 1000 for column in zip(*laps, strict=True))
        print(
            f"{name}: {mine:.0f} ms, {theirs.removeprefix('import ')}: {peer:.0f} ms, ratio {mine / peer:.2f} ({aim})"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
