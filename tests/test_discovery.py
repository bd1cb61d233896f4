"""``aldis.autodiscover`` and ``[tool.aldis]``: the modules with receivers are found, named, or missed in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import aldis
from aldis.discovery import Project, receivers_beside

SAVES_ITS_NAME = "import builtins\nbuiltins.aldis_imported.append(__name__)\n"


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Return the names of the modules of a test that were imported, in order; a function adds files to its folder."""
    import builtins

    names: list[str] = []
    monkeypatch.setattr(builtins, "aldis_imported", names, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield names
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(folder: Path, *files: str) -> None:
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if path.name == "__init__.py" else SAVES_ITS_NAME)


def plugin(folder: Path, name: str, module: str) -> None:
    """Install a package that offers receivers."""
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[aldis.receivers]\n{name} = {module}\n")


def test_receivers_of_a_package_and_of_those_below_are_imported(tmp_path, imported) -> None:
    write(tmp_path, "shop/__init__.py", "shop/receivers.py", "shop/models.py", "shop/orders/__init__.py")
    write(tmp_path, "shop/orders/receivers.py", "shop/orders/views.py", "shop/empty/__init__.py")
    assert aldis.autodiscover("shop") == ["shop.receivers", "shop.orders.receivers"]
    assert imported == ["shop.receivers", "shop.orders.receivers"], "and nothing else"
    assert aldis.autodiscover("shop") == ["shop.receivers", "shop.orders.receivers"]
    assert len(imported) == 2, "a second call imports nothing again"


def test_package_of_receivers_is_imported_with_its_modules(tmp_path, imported) -> None:
    write(tmp_path, "shop/__init__.py", "shop/receivers/__init__.py", "shop/receivers/mail.py")
    write(tmp_path, "shop/receivers/index.py", "shop/receivers/__main__.py")
    assert aldis.autodiscover("shop") == ["shop.receivers", "shop.receivers.index", "shop.receivers.mail"]
    assert imported == ["shop.receivers.index", "shop.receivers.mail"]


def test_module_without_a_package_has_receivers_in_its_folder(tmp_path, imported, monkeypatch) -> None:
    write(tmp_path, "models.py", "receivers.py")
    assert receivers_beside("models") == ["receivers"]
    write(tmp_path, "elsewhere/lonely.py")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    assert receivers_beside("lonely") == [], "receivers of another folder are another project's"


def test_package_without_receivers_is_told(tmp_path, imported) -> None:
    write(tmp_path, "shop/__init__.py", "bar/__init__.py", "bar/receivers.py")
    with pytest.raises(aldis.ConfigurationError, match=r"no module is called 'receivers' there.*shop\.receivers"):
        aldis.autodiscover("shop")
    assert aldis.autodiscover("shop", "bar") == ["bar.receivers"]
    with pytest.raises(aldis.ConfigurationError, match=r"autodiscover\('shpo'\): there is no module 'shpo'"):
        aldis.autodiscover("shpo")


def test_fault_in_a_module_with_receivers_is_raised_as_it_is(tmp_path, imported) -> None:
    write(tmp_path, "shop/__init__.py")
    (tmp_path / "shop/receivers.py").write_text("import no_such_module_of_ours\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_of_ours"):
        aldis.autodiscover("shop")


def test_plugin_is_loaded_only_where_it_is_named(tmp_path, imported) -> None:
    write(tmp_path, "shop/__init__.py", "shop/receivers.py", "audit/__init__.py", "audit/receivers.py")
    plugin(tmp_path, "audit", "audit.receivers")
    assert aldis.autodiscover("shop") == ["shop.receivers"]
    assert aldis.autodiscover("shop", plugins=["audit"]) == ["shop.receivers", "audit.receivers"]
    with pytest.raises(aldis.ConfigurationError, match=r"there is no plugin 'audti'.* Did you mean 'audit'\?"):
        aldis.autodiscover(plugins=["audti"])


def test_project_is_read_from_its_table(tmp_path) -> None:
    file = tmp_path / "pyproject.toml"
    assert Project.read(file) == Project.read(None) == Project()
    file.write_text('[tool.aldis]\napp = "shop.models:Base"\nreceivers = ["shop.mail"]\nplugins = ["audit"]\n')
    assert Project.read(file) == Project(("shop.models:Base",), ("shop.mail",), ("audit",))
    file.write_text('[tool.aldis.app]\nmain = "shop:Main"\nlogs = "shop:Logs"\n')
    assert Project.read(file) == Project(("main=shop:Main", "logs=shop:Logs"), None, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('recievers = ["a"]', r"has 'recievers'. Did you mean 'receivers'\? It takes app, receivers, plugins"),
        ("plugins = 3", "plugins in .tool.aldis. is 3; it takes a string or a list of strings"),
        ("plugins = [3]", r"plugins in .tool.aldis. is \[3\]; it takes"),
        ("plugins = [", "pyproject.toml cannot be read: "),
    ],
)
def test_project_that_cannot_be_read_is_told(tmp_path, text, message) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[tool.aldis]\n{text}\n")
    with pytest.raises(aldis.ConfigurationError, match=message):
        Project.read(file)
