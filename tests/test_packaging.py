"""An install of the sources: compiled, pure, refused; from the tree and from the sdist. No network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAYS_PURE = "aldis: building without the compiled core ("

if not (ROOT / "setup.py").exists():
    pytest.skip("the sources are not here: this tests a wheel", allow_module_level=True)


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """Make an sdist, and unpack it: it builds on its own."""
    folder = tmp_path_factory.mktemp("sdist")
    tree = folder / "tree"
    ignore = shutil.ignore_patterns(
        ".git", ".venv*", "_build", "build", "dist", "*.so", "*.egg-info", ".*_cache", ".hypothesis", "__pycache__"
    )
    shutil.copytree(ROOT, tree, ignore=ignore)
    make = f"from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", make], cwd=tree, check=True, capture_output=True)
    (archive,) = folder.glob("aldis-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return next(path for path in folder.glob("aldis-*") if path.is_dir())


def build(sources: Path, into: Path, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[str], str]:
    """Build a wheel; return the output, its files, and its name."""
    tree = into / "tree"
    shutil.copytree(sources, tree)
    command = [
        sys.executable,
        "-m",
        "pip",
        "-v",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        "..",
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ALDIS_")}
    done = subprocess.run(
        command,
        cwd=tree,
        env={**clean, **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wheels = list(into.glob("*.whl"))
    if not wheels:
        return done, [], ""
    with zipfile.ZipFile(wheels[0]) as opened:
        return done, opened.namelist(), wheels[0].name


def test_sdist_is_the_same_byte_for_byte(sources, tmp_path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(sources, tree)
    made = []
    for number in range(2):
        into = tmp_path / str(number)
        into.mkdir()
        os.utime(tree / "README.md")  # a later time, and another user's mask, make no difference
        subprocess.run(
            [sys.executable, "-c", f"from setuptools.build_meta import build_sdist; build_sdist({str(into)!r})"],
            cwd=tree,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
            umask=0o077 if number else 0o022,
            check=True,
            capture_output=True,
        )
        (archive,) = into.iterdir()
        made.append(archive.read_bytes())
    assert made[0] == made[1]
    with tarfile.open(archive) as opened:
        assert {(each.mtime, each.uid, each.uname) for each in opened} == {(1700000000, 0, "")}
        assert not [each.name for each in opened if each.name.endswith((".c", ".so", ".pyc"))]


def test_pure_build_is_for_any_platform_and_says_so_once(sources, tmp_path) -> None:
    done, files, name = build(sources, tmp_path, ALDIS_BUILD="pure")
    assert done.returncode == 0, done.stdout
    assert name.endswith("-py3-none-any.whl")
    assert not [file for file in files if file.endswith((".so", ".pyd", ".c", ".pyx"))]
    assert "aldis/py.typed" in files
    assert f"{SAYS_PURE}ALDIS_BUILD=pure); the pure-Python one is used." in done.stdout


def test_without_a_compiler_the_build_goes_on_and_says_so(sources, tmp_path) -> None:
    done, files, _ = build(sources, tmp_path, CC="no-such-compiler")
    assert done.returncode == 0, done.stdout
    assert not [file for file in files if file.endswith((".so", ".pyd"))]
    assert done.stdout.count(SAYS_PURE) == 1
    assert "no-such-compiler" in done.stdout


def test_required_build_without_a_compiler_fails(sources, tmp_path) -> None:
    done, _, name = build(sources, tmp_path, CC="no-such-compiler", ALDIS_BUILD="require")
    assert done.returncode != 0
    assert not name
    assert SAYS_PURE not in done.stdout


def test_misspelt_switch_is_refused(sources, tmp_path) -> None:
    done, _, name = build(sources, tmp_path, ALDIS_BUILD="purr")
    assert (done.returncode != 0, name) == (True, "")
    assert "ALDIS_BUILD is 'purr'; it takes 'pure', 'require', or nothing" in done.stdout


def test_compiled_build_runs_from_the_wheel_alone(sources, tmp_path) -> None:
    from cores import core_of

    core_of("compiled")  # skips where there is no compiler
    done, files, name = build(sources, tmp_path, ALDIS_BUILD="require")
    assert done.returncode == 0, done.stdout
    assert [file for file in files if "aldis/dispatch/_compiled" in file]
    assert not [file for file in files if "_floor" in file], "what only the benchmarks use"
    with zipfile.ZipFile(tmp_path / name) as opened:
        for file in files:
            if file.endswith(".so"):
                assert b".debug_info" not in opened.read(file), file
    with zipfile.ZipFile(tmp_path / name) as opened:
        opened.extractall(tmp_path / "installed")
    look = "import aldis; print(aldis.backend, aldis.__file__)"
    told = subprocess.run(
        [sys.executable, "-c", look],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "ALDIS_PURE_PYTHON": ""},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert told.split() == ["compiled", str(tmp_path / "installed" / "aldis" / "__init__.py")]


def test_models_without_greenlet_say_what_is_missing_and_signals_work() -> None:
    look = (
        "import sys; sys.modules['greenlet'] = None\n"
        "import aldis\n"
        "assert aldis.Signal().send() == []\n"
        "try: aldis.Model\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout
    assert told.startswith("aldis.Model, aldis.QuerySet and aldis.Database need SQLAlchemy's asyncio part, and that ")
    assert "greenlet, which is not installed here: pip install 'sqlalchemy[asyncio]'." in told


def test_interpreter_with_a_gil_of_its_own_is_advised_to_take_the_pure_core() -> None:
    from cores import core_of

    core_of("compiled")
    if sys.version_info < (3, 13):
        pytest.skip("before 3.13 Python has no module to make an interpreter with a GIL of its own")
    inside = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import aldis\n"
        "    print(aldis.backend, [str(each.message) for each in caught if 'aldis' in str(each.message)])\n"
    )
    look = (
        f"import _interpreters; failed = _interpreters.run_string(_interpreters.create('isolated'), {inside!r})\n"
        "assert not failed, failed\n"
    )
    compiled = {**os.environ, "ALDIS_PURE_PYTHON": ""}
    told = subprocess.run([sys.executable, "-c", look], env=compiled, check=True, capture_output=True, text=True).stdout
    assert told.startswith("pure [")
    assert "An interpreter with a GIL of its own cannot load it: set ALDIS_PURE_PYTHON=1 there." in told
    assert "nstall aldis again" not in told
