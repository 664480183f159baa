"""Sphinx: the guides, the tutorial and the reference of the library."""

import re
from pathlib import Path

from pictor.imaging.public import areas, place_of
from pictor.runtime.version import VERSION

HERE = Path(__file__).parent
REFERENCE = HERE / "reference"

project = "Pictor"
author = "The Pictor developers"
copyright = "The Pictor developers, BSD-3-Clause"  # noqa: A001 - the name Sphinx reads
version = release = VERSION
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "tutorial/README.txt", "**/.ipynb_checkpoints"]
html_theme = "furo"
html_title = f"Pictor {VERSION}"
autosummary_generate = True
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
intersphinx_mapping = {}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing", "config.cache", "misc.highlighting_failure"]
sphinx_gallery_conf = {
    "examples_dirs": "tutorial",
    "gallery_dirs": "reference/tutorial",
    "filename_pattern": r"tutorial/",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "first_notebook_cell": None,
}


def _slug(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")


def _write_reference() -> None:
    """Write one page per area of the library, from the table of public names."""
    REFERENCE.mkdir(exist_ok=True)
    public = {".".join(place_of(name)) for names in areas().values() for name in names}
    pages = {page.stem for page in (HERE / "tutorial").glob("plot_*.py")}
    for old in (REFERENCE / "generated").glob("*.rst"):
        if old.stem not in public:
            old.unlink()
    for old in (REFERENCE / "tutorial").glob("plot_*.rst"):
        if old.stem not in pages:
            old.unlink()
    for title, names in areas().items():
        listed = "\n   ".join(".".join(place_of(name)) for name in names)
        loaded = ", ".join(f"``{name}``" for name in names)
        text = (
            f"{title}\n{'=' * len(title)}\n\nLoaded from ``pictor.imaging``: {loaded}.\n\n"
            f".. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n   {listed}\n"
        )
        page = REFERENCE / f"{_slug(title)}.rst"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)
    entries = "\n   ".join(_slug(title) for title in areas())
    index = f"Reference of the library\n========================\n\n.. toctree::\n   :maxdepth: 2\n\n   {entries}\n"
    (REFERENCE / "index.rst").write_text(index)


_write_reference()
