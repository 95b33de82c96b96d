"""The rooms of the house: who may import whom, and what a plain `import tabular` may load."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = [
    "errors",
    "output",
    "geometry",
    "mdp",
    "operators",
    "polytope",
    "probability",
    "bounds",
    "linear",
    "total",
    "evaluate",
    "solve",
    "soft_total",
    "soft",
    "mismatch",
    "equivalence",
    "counts",
    "optimism",
    "worlds",
    "sources",
    "files",
    "device",
    "arithmetic",
    "expansion",
    "models",
    "agents",
    "objectives",
    "fitting",
    "summary",
    "claims",
    "lab",
    "plot",
    "studies",
    "widgets",
    "commands",
    "__main__",
]
"""Each imports only from those before it."""

EXCEPTIONS = {("mdp", "total")}
"""gamma = 1 needs the analysis of `total` when an MDP is made; `mdp` imports it then, not before."""

DOOR = "the package itself"
"""`tabular/__init__.py`: it opens all rooms, so no room but those of the command line may go through it."""


def modules():
    """Room and path of every module of `tabular`, its door left out."""
    for path in sorted((ROOT / "tabular").rglob("*.py")):
        room = path.relative_to(ROOT / "tabular").parts[0].removesuffix(".py")
        if room != "__init__":
            yield room, path


def imported_names(source: str) -> list[str]:
    """Every module or name that a source file imports, dotted, wherever in the file it does so."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += ["." * node.level + f"{node.module or ''}.{alias.name}" for alias in node.names]
    return names


def rooms_imported(source: str) -> set[str]:
    """Rooms of `tabular` that a source file imports from."""
    parts = [name.split(".") for name in imported_names(source)]
    return {(part[1] if part[1:] and part[1] in ROOMS else DOOR) for part in parts if part[0] == "tabular"}


def against_the_order(room: str, source: str) -> list[str]:
    """Rooms that `room` imports from and may not."""
    above = set(ROOMS[: ROOMS.index(room) + 1]) | {other for here, other in EXCEPTIONS if here == room}
    above |= {DOOR} if room in ("commands", "__main__") else set()
    return sorted(rooms_imported(source) - above)


@pytest.mark.parametrize(("room", "path"), [pytest.param(*module, id=module[1].stem) for module in modules()])
def test_layering_each_room_imports_only_from_rooms_above_it(room, path):
    assert room in ROOMS, f"{path.relative_to(ROOT)} is a new room: give it its place in ROOMS and in docs/design.md"
    assert against_the_order(room, path.read_text()) == []


@pytest.mark.parametrize("room", ROOMS)
def test_layering_each_room_has_its_line_in_the_design(room):
    assert re.search(rf"^\| `{room}/?` \| .+ \|$", (ROOT / "docs/design.md").read_text(), re.MULTILINE)


def test_layering_sees_a_wrong_import_of_every_form():
    wrong = [
        "import tabular.plot",
        "from tabular.plot import grid",
        "from tabular import plot",
        "def f():\n    from tabular.plot.heatmap import grid",
        "import tabular",
        "from tabular import solve as s, MDP",
    ]
    found = [against_the_order("solve", source) for source in wrong]
    assert found == [["plot"], ["plot"], ["plot"], ["plot"], [DOOR], [DOOR]]


@pytest.mark.parametrize("path", sorted((ROOT / "tabular").rglob("*.py")), ids=lambda path: path.stem)
def test_layering_tabular_imports_neither_deep_nor_relatively(path):
    names = imported_names(path.read_text())
    assert [name for name in names if name.split(".")[0] in ("deep", "")] == []


def test_layering_importing_tabular_loads_only_the_host_engine():
    heavy = ["jax", "optax", "matplotlib", "gymnasium", "ipywidgets", "anywidget", "equinox"]
    program = f"import sys, tabular; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
