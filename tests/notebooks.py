"""Run notebooks from top to bottom and keep them with their outputs: python -m tests.notebooks [NAME ...]

Without names, all. A name is the beginning of a file's: `05`. Pictures are kept with 256 colours if that makes them
smaller; of a widget its static picture is kept, not its state. A notebook with an error, in a cell or in the callback
of a widget, is left as it was.
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tabular.output import write
from tabular.plot.encode import paletted

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 300
"""For one cell; a notebook takes well under a minute on two cores."""
KERNEL = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
"""Environment of the kernel: one linear-algebra thread, this copy of the packages."""
NOT_KERNEL = (
    "MPLBACKEND",
    "JAX_NUMPY_DTYPE_PROMOTION",
    "JAX_NUMPY_RANK_PROMOTION",
    "JAX_DISABLE_MOST_OPTIMIZATIONS",
)
"""Variables of the tests that the kernel shouldn't have."""
LIVE = "application/vnd.jupyter.widget-view+json"


def read(path: Path):
    """A notebook as nbformat has it."""
    return nbformat.read(path, as_version=4)


def code_cells(notebook) -> list:
    """The cells with code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook) -> None:
    """Run all cells, errors included, and keep what widgets hold."""
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        store_widget_state=True,
        allow_errors=True,
        resources={"metadata": {"path": str(ROOT / "notebooks")}},
    )
    client.execute()


def errors(notebook) -> list[str]:
    """Error messages in the outputs of cells and in the saved state of widgets.

    A callback of a widget that raises fails no cell: its traceback goes to the widget's own output.
    """
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    for views in notebook.metadata.get("widgets", {}).values():
        for model in views.get("state", {}).values():
            outputs += model.get("state", {}).get("outputs", ())
    return [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]


def slim(notebook) -> None:
    """Leave out what only this run needs: states of widgets, times of cells, colours that nobody misses."""
    notebook.metadata.pop("widgets", None)
    for cell in code_cells(notebook):
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            data = output.get("data", {})
            data.pop(LIVE, None)
            if "image/png" in data:
                data["image/png"] = _smaller(data["image/png"])


def _smaller(picture: str) -> str:
    """A picture in base64, paletted if that makes it smaller."""
    png = base64.b64decode(picture)
    return base64.b64encode(min(png, paletted(png), key=len)).decode()


def main() -> None:
    """Run and keep the notebooks that are named."""
    names = sys.argv[1:]
    chosen = [path for path in NOTEBOOKS if not names or any(path.name.startswith(name) for name in names)]
    if not chosen:
        raise SystemExit(
            f"no notebook begins with {' or '.join(names)}: there are {', '.join(p.stem for p in NOTEBOOKS)}."
        )
    os.environ.update(KERNEL)
    for path in chosen:
        notebook = read(path)
        execute(notebook)
        if errors(notebook):
            raise SystemExit(f"{path.name}: " + "\n".join(errors(notebook)))
        slim(notebook)
        nbformat.validate(notebook)
        write(path, nbformat.writes(notebook).encode() + b"\n")
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
