"""Screenshots of the explorers for the documentation: python -m tests.browser.pictures docs/images [NAME ...]

Each is opened in JupyterLab and photographed as it stands; names choose some. Needs chromium.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tabular.output import write
from tabular.plot.encode import paletted
from tests.browser.actions import shown
from tests.browser.lab import Lab, lab

TRAINED = """from tabular.widgets import MismatchExplorer
explorer = MismatchExplorer(preset="small", pace=30)
for objective in ("mle", "omd_bellman", "omd_returns"):
    explorer.objective = objective
    explorer.train(1500)
explorer"""
PICTURES = {
    "gridworld": shown("GridworldExplorer", preset="cliffs", slip=0.1),
    "two-state": shown("TwoStateExplorer"),
    "mismatch": TRAINED,
    "bound": shown("BoundExplorer", preset="printed"),
    "dynamics": shown("DynamicsExplorer", preset="bridge"),
    "theorems": shown("TheoremBoard", preset="printed"),
}
"""The cell that makes each."""


def main(folder: str, names: list[str]) -> None:
    """Write explorer-NAME.png for each."""
    with tempfile.TemporaryDirectory() as place, lab(Path(place)) as jupyter:
        for name in names or PICTURES:
            write(Path(folder) / f"explorer-{name}.png", photographed(jupyter, PICTURES[name]))
        if jupyter.faults:
            raise SystemExit("\n".join(jupyter.faults))


def photographed(jupyter: Lab, source: str) -> bytes:
    """The explorer that a cell makes, once everything is there."""
    with jupyter.notebook(source, width=1200, height=2100) as page:
        explorer = jupyter.explorer(page)
        page.wait_for_timeout(2500)  # frames have arrived
        return paletted(explorer.screenshot())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
