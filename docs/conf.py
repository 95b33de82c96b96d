"""Sphinx settings: pages in Markdown, the reference from the docstrings.

Builds and reads without a network: equations are shown as they stand in the docstrings, in plain text, so no MathJax is
fetched from anywhere.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "mdpscope"
author = "mdpscope contributors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

default_role = "code"  # `name` in a docstring is code, as in Markdown
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Raises"]  # as prose: one sentence often covers several errors
nb_execution_mode = "off"

html_theme = "furo"
html_title = "mdpscope"


def keep_as_written(app, what, name, obj, options, lines):
    """Mark indented blocks (equations, examples) as literal, and keep napoleon from reading `word: text` as a type."""
    if what in ("attribute", "property"):
        lines[:0] = ["..", ""]
    for i in reversed(range(1, len(lines))):
        block = lines[i].startswith("    ") and not lines[i - 1].strip()
        before = next((line for line in reversed(lines[:i]) if line.strip()), "")
        if block and before and not before.startswith("    ") and not before.rstrip().endswith("::"):
            lines[i:i] = ["::", ""]
    if "Raises:" in lines:  # one paragraph, whether written as sentences or as a list
        first = lines.index("Raises:") + 1
        lines[first:] = [f"  {line.strip()}" if line.startswith("  ") else line for line in lines[first:]]


def setup(app):
    app.connect("autodoc-process-docstring", keep_as_written, priority=400)  # before napoleon
