"""How Sphinx makes the site: ``make docs``."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from sphinx.application import Sphinx

from aldis import __version__

# a11y_pygments turns logging on for the whole process; make docs speaks of its own work only.
logging.getLogger("alembic").setLevel(logging.WARNING)

project = "aldis"
version = release = __version__
copyright = "the aldis developers"  # noqa: A001
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "examples", "dispatch.json", "sizes.json"]
nitpicky = False

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
add_module_names = False

html_theme = "furo"
html_title = f"aldis {version}"
html_static_path = ["_static"]
html_css_files = ["aldis.css"]
html_show_sphinx = False
html_theme_options = {
    "top_of_page_buttons": [],
    "source_repository": "https://github.com/aldis-signals/aldis/",
    "source_branch": "main",
    "source_directory": "docs/",
    "light_css_variables": {"color-brand-primary": "#8a4b00", "color-brand-content": "#8a4b00"},
    "dark_css_variables": {"color-brand-primary": "#ffb454", "color-brand-content": "#ffb454"},
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# The theme's pages lack these things that axe asks for: names for two landmarks, levels for headings, the keyboard for
# parts that scroll, and no header cells without a text.
ACCESSIBLE = {
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="This page">',
    'class="caption" role="heading">': 'class="caption" role="heading" aria-level="2">',
    '<div id="search-results"></div>': '<h1>Search</h1><div id="search-results" aria-live="polite"></div>',
    "<pre>": '<pre tabindex="0">',
    '<th class="head"><p></p></th>': "<td></td>",
    '<table class="docutils': '<table tabindex="0" class="docutils',
}


def make_accessible(app: Sphinx, error: Exception | None) -> None:
    """Put into the pages the things that they lack."""
    if error is None and app.builder.format == "html":
        for path in app.outdir.rglob("*.html"):
            text = path.read_text("utf-8")
            for lacking, whole in ACCESSIBLE.items():
                text = text.replace(lacking, whole)
            path.write_text(text, "utf-8")


# The pages are plain Markdown, since most readers see them on the code host. These three things are the site's alone.
ALL_PAGES = re.compile(r"^## All pages$.*", re.DOTALL | re.MULTILINE)
GROUP = re.compile(r"^### (.+)$", re.MULTILINE)
LINK = re.compile(r"^- \[(.+)\]\((.+)\)$", re.MULTILINE)
AUTODOC = re.compile(r"<!-- autodoc\n(.*?)^-->$", re.DOTALL | re.MULTILINE)


def entries(links: str) -> str:
    """Return the navigation's entries of a list of links: pages by their paths, other links by title and address."""
    found = LINK.findall(links)
    return "\n".join(path.removesuffix(".md") if path.endswith(".md") else f"{title} <{path}>" for title, path in found)


def read_page(app: Sphinx, name: str, source: list[str]) -> None:
    """Put into a page the parts that only the site shows.

    The list of all pages in ``index.md`` becomes the navigation, a comment ``<!-- autodoc ... -->`` the docstrings that
    it asks for, and ``changelog.md`` the changelog itself.
    """
    text = source[0]
    if name == "index" and (listed := ALL_PAGES.search(text)):
        _, *groups = GROUP.split(listed[0])
        trees = [
            f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries(links)}\n```\n"
            for caption, links in zip(groups[::2], groups[1::2], strict=True)
        ]
        text = text.replace(listed[0], "\n".join(trees))
    elif name == "changelog":
        text = (Path(app.srcdir).parent / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")
    source[0] = AUTODOC.sub(r"```{eval-rst}\n\1```", text)


def setup(app: Sphinx) -> None:
    """Connect the functions above to Sphinx's events."""
    app.connect("source-read", read_page)
    app.connect("build-finished", make_accessible)
