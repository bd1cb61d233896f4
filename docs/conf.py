"""How Sphinx makes the site: ``make docs``."""

from __future__ import annotations

from sphinx.application import Sphinx

from aldis import __version__

project = "aldis"
version = release = __version__
copyright = "the aldis developers"  # noqa: A001
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "examples", "dispatch.json"]
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
html_title = "aldis"
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

# What axe asks for and the theme's pages lack: names for two landmarks, levels for headings, the keyboard for what
# scrolls, and no header cells without a text.
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
    """Put into the pages what they lack."""
    if error is None and app.builder.format == "html":
        for path in app.outdir.rglob("*.html"):
            text = path.read_text("utf-8")
            for lacking, whole in ACCESSIBLE.items():
                text = text.replace(lacking, whole)
            path.write_text(text, "utf-8")


def setup(app: Sphinx) -> None:
    """Have the pages made accessible when they are written."""
    app.connect("build-finished", make_accessible)
