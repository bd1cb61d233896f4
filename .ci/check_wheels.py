"""Check the contents of wheels: the files that have to be there, none that must not, and no debug information."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

LARGEST = 1_500_000
"""Bytes of a wheel; debug information alone takes more."""


def complaints(wheel: Path) -> list[str]:
    """Return the faults of a wheel, a sentence each."""
    with zipfile.ZipFile(wheel) as opened:
        files = {each.filename: opened.read(each) for each in opened.infolist()}
    compiled = {name for name in files if name.endswith((".so", ".pyd"))}
    found = [
        f"{name} is missing"
        for name in ("aldis/py.typed", "aldis/_typed.pyi", "aldis/migrations/templates/aldis/env.py")
        if name not in files
    ]
    found += [f"{name} does not belong here" for name in files if not name.startswith(("aldis/", "aldis-"))]
    found += [f"{name} is for benchmarks" for name in compiled if "_floor" in name]
    found += [f"{name} has debug information" for name in compiled if b".debug_info" in files[name]]
    if wheel.name.endswith("-none-any.whl"):
        found += [f"{name} is compiled, in a pure wheel" for name in compiled]
    elif {Path(name).name.partition(".")[0] for name in compiled} < {"_compiled", "_compiled_rows", "_compiled_states"}:
        found.append(f"of the compiled modules there are only {sorted(compiled)}")
    if wheel.stat().st_size > LARGEST:
        found.append(f"it has {wheel.stat().st_size:,} bytes, more than {LARGEST:,}")
    return found


def main(paths: list[str]) -> None:
    """Check each wheel, and those in each folder; end with an error if one has a fault, or there is none."""
    wheels = [wheel for path in map(Path, paths) for wheel in (sorted(path.glob("*.whl")) if path.is_dir() else [path])]
    faults = [f"{wheel.name}: {fault}" for wheel in wheels for fault in complaints(wheel)]
    faults += [] if wheels else [f"there is no wheel in {', '.join(paths)}"]
    print("\n".join(faults) or f"{len(wheels)} wheels have what they need, and nothing else")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main(sys.argv[1:])
