"""Build the compiled core, or say in one line why there is none.

``ALDIS_BUILD`` decides: unset builds it where that is possible, ``pure`` never, ``require`` fails without it.
"""

import os
import platform
import sys
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

BUILD = os.environ.get("ALDIS_BUILD", "optional")
if BUILD not in {"optional", "pure", "require"}:
    sys.exit(f"ALDIS_BUILD is {BUILD!r}; it takes 'pure', 'require', or nothing (build it where possible).")


def say_pure(reason: object) -> None:
    """Say, once and on one line, that the install is pure."""
    print(f"aldis: building without the compiled core ({reason}); the pure-Python one is used.", file=sys.stderr)


class BuildCore(build_ext):  # type: ignore[misc]  # setuptools tells no types
    """Build the extension, and go on without it where no compiler serves."""

    def run(self) -> None:
        """Cythonize and compile, or, unless required, go on without."""
        try:
            super().run()
        except Exception as error:
            if BUILD == "require":
                raise
            say_pure(str(error).splitlines()[0] if str(error) else type(error).__name__)
            self.extensions: list[Extension] = []

    def copy_extensions_to_source(self) -> None:
        """Copy what was built, if anything was, beside the sources (an editable install)."""
        if self.extensions:
            super().copy_extensions_to_source()


def core() -> Any:
    """Return the extensions to build, or nothing for a pure install."""
    if BUILD == "pure":
        say_pure("ALDIS_BUILD=pure")
        return []
    if platform.python_implementation() != "CPython" and BUILD != "require":
        say_pure(f"{platform.python_implementation()} runs the pure core faster")
        return []
    extensions = [
        Extension(
            "aldis.dispatch._compiled", ["cext/dispatch.pyx"], depends=list(map(str, Path("cext").glob("*.p*x*")))
        ),
        Extension("aldis.orm.mapping._compiled_rows", ["cext/rows.pyx"]),
        Extension("aldis._floor", ["cext/floor.pyx"]),
    ]
    try:
        from Cython.Build import cythonize
    except ImportError as error:
        if BUILD == "require":
            raise
        say_pure(error)
        return []
    return cythonize(extensions, build_dir="build/cython", include_path=["cext"])  # type: ignore[no-untyped-call]


setup(ext_modules=core(), cmdclass={"build_ext": BuildCore})
