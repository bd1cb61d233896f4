"""Build the compiled core, or say in one line why there is none.

``ALDIS_BUILD`` decides: unset builds it where that is possible, ``pure`` never, ``require`` fails without it.
``SOURCE_DATE_EPOCH``, seconds since 1970, makes the sdist the same byte for byte each time.
"""

import gzip
import os
import platform
import sys
import tarfile
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

BUILD = os.environ.get("ALDIS_BUILD", "optional")
if BUILD not in {"optional", "pure", "require"}:
    sys.exit(f"ALDIS_BUILD is {BUILD!r}; it takes 'pure', 'require', or nothing (build it where possible).")


FLOOR = "aldis._floor"
"""The extension that only the benchmarks use."""


def say_pure(reason: object) -> None:
    """Say, once and on one line, that the install is pure."""
    print(f"aldis: building without the compiled core ({reason}); the pure-Python one is used.", file=sys.stderr)


class BuildCore(build_ext):  # type: ignore[misc]  # setuptools tells no types
    """Build the extension, and go on without it where no compiler serves."""

    def finalize_options(self) -> None:
        """Leave the benchmarks' extension out of wheels: it is for a checkout."""
        super().finalize_options()
        if not self.inplace and not getattr(self, "editable_mode", False):
            self.extensions: list[Extension] = [each for each in self.extensions if each.name != FLOOR]

    def build_extension(self, ext: Extension) -> None:
        """Compile without debug information, nine tenths of a wheel, unless CFLAGS asks for it."""
        if self.compiler.compiler_type == "unix" and "-g" not in os.environ.get("CFLAGS", "").split():
            ext.extra_compile_args = [*ext.extra_compile_args, "-g0"]
        super().build_extension(ext)

    def run(self) -> None:
        """Cythonize and compile, or, unless required, go on without."""
        try:
            super().run()
        except Exception as error:
            if BUILD == "require":
                raise
            say_pure(str(error).splitlines()[0] if str(error) else type(error).__name__)
            self.extensions = []

    def copy_extensions_to_source(self) -> None:
        """Copy what was built, if anything was, beside the sources (an editable install)."""
        if self.extensions:
            super().copy_extensions_to_source()


class ReproducibleSdist(sdist):  # type: ignore[misc]
    """Write the sdist with the time of ``SOURCE_DATE_EPOCH``, in a fixed order, and nobody's name."""

    def make_archive(
        self,
        base_name: str,
        format: str,  # noqa: A002 - setuptools' name
        root_dir: Any = None,
        base_dir: Any = None,
        **options: Any,
    ) -> str:
        """Write an archive."""
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return str(super().make_archive(base_name, format, root_dir=root_dir, base_dir=base_dir, **options))

        def nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime = int(epoch)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        folder = Path(base_dir)
        archive = Path(f"{base_name}.tar.gz")
        with (
            archive.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as opened,
        ):
            for path in [folder, *sorted(folder.rglob("*"))]:
                opened.add(path, recursive=False, filter=nobodys)
        return str(archive)


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
        Extension("aldis.orm.mapping._compiled_states", ["cext/states.pyx"]),
        Extension(FLOOR, ["cext/floor.pyx"]),
    ]
    try:
        from Cython.Build import cythonize
    except ImportError as error:
        if BUILD == "require":
            raise
        say_pure(error)
        return []
    return cythonize(extensions, build_dir="build/cython", include_path=["cext"])  # type: ignore[no-untyped-call]


setup(ext_modules=core(), cmdclass={"build_ext": BuildCore, "sdist": ReproducibleSdist})
