"""Sphinx settings: pages in Markdown, the reference from the docstrings, the notebooks with their kept outputs.

Builds and reads without a network. Equations of docstrings, plain text for a terminal, are rendered (`equations.py`) by
the MathJax that the package sphinx-mathjax-offline brings: one file is copied beside the pages.
"""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from docutils import nodes  # noqa: E402
from equations import block_latex, is_equation  # noqa: E402

project = "mdpscope"
author = "mdpscope contributors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]

default_role = "code"  # `name` in a docstring is code, as in Markdown
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Raises"]  # as prose: one sentence often covers several errors
myst_heading_anchors = 2
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # would be fetched from the network; a figure stands beside each widget
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

_PACKAGE = find_spec("sphinx-mathjax-offline")
if _PACKAGE is None or not _PACKAGE.submodule_search_locations:
    raise ImportError("MathJax is missing. Install the docs extra: pip install -e '.[docs]'.")
MATHJAX = Path(_PACKAGE.submodule_search_locations[0]) / "static/mathjax/tex-svg.js"

mathjax_path = MATHJAX.name
mathjax3_config = {
    "tex": {"inlineMath": [["$", "$"], ["\\(", "\\)"]]},
    "svg": {"displayAlign": "left", "displayIndent": "1em"},
    "options": {"enableMenu": False},  # its dictionaries would be fetched from the network
}

html_theme = "furo"
html_title = "mdpscope"
html_static_path = ["_static", str(MATHJAX)]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_show_copyright = False

INDENTED = re.compile(r"(?<=\n\n)((?: {4}[^\n]*\n)+)")


def keep_as_written(app, what, name, obj, options, lines):
    """Render indented equations, keep other indented blocks, and keep napoleon from reading `word: text` as a type."""
    if what in ("attribute", "property"):
        lines[:0] = ["..", ""]
    for i in reversed(range(1, len(lines))):
        begins = lines[i].startswith("    ") and not lines[i - 1].strip()
        before = next((line for line in reversed(lines[:i]) if line.strip()), "")
        if begins and before and not before.startswith("    ") and not before.rstrip().endswith("::"):
            lines[i : _end(lines, i)] = _rendered(lines[i : _end(lines, i)])
    if "Raises:" in lines:  # one paragraph, whether written as sentences or as a list
        first = lines.index("Raises:") + 1
        lines[first:] = [f"  {line.strip()}" if line.startswith("  ") else line for line in lines[first:]]


def _end(lines: list[str], begin: int) -> int:
    """Where the indented block ends that begins there; empty lines may stand in it."""
    end = begin
    for i in range(begin, len(lines)):
        if lines[i].startswith("    "):
            end = i + 1
        elif lines[i].strip():
            break
    return end


def _rendered(block: list[str]) -> list[str]:
    """The parts of an indented block, each as an equation or as it is typed."""
    done = []
    for part in re.split(r"\n\s*\n", "\n".join(block)):
        if is_equation(part):
            done += [".. math::", "", *(f"   {line}" for line in block_latex(part).splitlines()), ""]
        elif done and done[0] == "::":  # one listing, with its empty lines
            done += [*part.splitlines(), ""]
        else:
            done += ["::", "", *part.splitlines(), ""]
    return done


def render_claims(app, docname, source):
    """The equations of the claims, on a page that is generated from their docstrings."""
    if docname == "theorems":
        source[0] = INDENTED.sub(_fenced, source[0])


def _fenced(match: re.Match) -> str:
    block = match.group(1)
    return f"```{{math}}\n{block_latex(block)}\n```\n" if is_equation(block) else block


def render_folded(app, doctree):
    """Let MathJax look into what the notebooks fold away, which is HTML as it stands."""
    for node in doctree.findall(nodes.raw):
        if "<details>" in node.astext():
            node.children = [nodes.Text(node.astext().replace("<details>", '<details class="mathjax_process">'))]
            node.rawsource = node.astext()


def setup(app):
    app.connect("autodoc-process-docstring", keep_as_written, priority=400)  # before napoleon
    app.connect("source-read", render_claims)
    app.connect("doctree-read", render_folded)
