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

DEEP_ROOMS = [
    "errors",
    "nets",
    "replay",
    "descent",
    "critics",
    "envs",
    "models",
    "objectives",
    "agents",
    "fitting",
    "ensembles",
    "expansion",
    "loop",
    "registry",
    "config",
    "presets",
    "measures",
    "lanes",
    "metrics",
    "checkpoints",
    "runs",
    "animation",
    "plot",
    "tables",
    "figures",
    "training",
    "sweep",
    "studies",
    "commands",
    "__main__",
]
"""The same for `deep`, which may import all of `tabular`."""
PACKAGES = {"tabular": ROOMS, "deep": DEEP_ROOMS}

EXCEPTIONS = {("mdp", "total")}
"""gamma = 1 needs the analysis of `total` when an MDP is made; `mdp` imports it then, not before."""

DOOR = "the package itself"
"""`__init__.py`: it opens all rooms, so no room but those of the command line may go through it."""


def modules():
    """Package, room and path of every module, the packages' doors left out."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            room = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
            if room != "__init__":
                yield package, room, path


def imported_names(source: str) -> list[str]:
    """Every module or name that a source file imports, dotted, wherever in the file it does so."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += ["." * node.level + f"{node.module or ''}.{alias.name}" for alias in node.names]
    return names


def rooms_imported(package: str, source: str) -> set[str]:
    """Rooms of a package that a source file imports from."""
    parts = [name.split(".") for name in imported_names(source)]
    rooms = PACKAGES[package]
    return {(part[1] if part[1:] and part[1] in rooms else DOOR) for part in parts if part[0] == package}


def against_the_order(package: str, room: str, source: str) -> list[str]:
    """Rooms that `room` imports from and may not."""
    rooms = PACKAGES[package]
    above = set(rooms[: rooms.index(room) + 1]) | {other for here, other in EXCEPTIONS if here == room}
    above |= {DOOR} if room in ("commands", "__main__") else set()
    return sorted(rooms_imported(package, source) - above)


@pytest.mark.parametrize(
    ("package", "room", "path"), [pytest.param(*each, id=f"{each[0]}-{each[2].stem}") for each in modules()]
)
def test_layering_each_room_imports_only_from_rooms_above_it(package, room, path):
    new = f"{path.relative_to(ROOT)} is a new room: give it its place here and in docs/design.md"
    assert room in PACKAGES[package], new
    assert against_the_order(package, room, path.read_text()) == []


@pytest.mark.parametrize(("package", "room"), [(name, room) for name, rooms in PACKAGES.items() for room in rooms])
def test_layering_each_room_has_its_line_in_the_design(package, room):
    written = f"deep.{room}" if package == "deep" else room
    assert re.search(rf"^\| `{re.escape(written)}/?` \| .+ \|$", (ROOT / "docs/design.md").read_text(), re.MULTILINE)


def test_layering_sees_a_wrong_import_of_every_form():
    wrong = [
        "import tabular.plot",
        "from tabular.plot import grid",
        "from tabular import plot",
        "def f():\n    from tabular.plot.heatmap import grid",
        "import tabular",
        "from tabular import solve as s, MDP",
    ]
    found = [against_the_order("tabular", "solve", source) for source in wrong]
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
