"""How Sphinx makes the site: ``make docs``."""

from __future__ import annotations

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
    "source_repository": "https://github.com/aldis-signals/aldis/",
    "source_branch": "main",
    "source_directory": "docs/",
    "light_css_variables": {"color-brand-primary": "#8a4b00", "color-brand-content": "#8a4b00"},
    "dark_css_variables": {"color-brand-primary": "#ffb454", "color-brand-content": "#ffb454"},
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
