"""Every notebook runs from top to bottom, and is kept with the outputs of such a run."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 300
"""For one cell; a notebook takes well under a minute on two cores."""


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def errors(notebook) -> list[str]:
    """Error messages in the outputs of cells and in the saved state of widgets.

    A callback of a widget that raises fails no cell: its traceback goes to the widget's own output.
    """
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    for views in notebook.metadata.get("widgets", {}).values():
        for model in views.get("state", {}).values():
            outputs += model.get("state", {}).get("outputs", ())
    return [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]


def execute(notebook) -> None:
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        store_widget_state=True,
        allow_errors=True,
        resources={"metadata": {"path": str(ROOT / "notebooks")}},
    )
    client.execute()


@pytest.fixture
def kernel(monkeypatch):
    """One linear-algebra thread, pictures as in a browser, this copy of the package."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("MPLBACKEND", "JAX_NUMPY_DTYPE_PROMOTION", "JAX_NUMPY_RANK_PROMOTION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_without_an_error(path, kernel):
    notebook = read(path)
    execute(notebook)
    assert errors(notebook) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_with_the_outputs_of_one_run(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert errors(notebook) == []
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    kinds = {kind for cell in code_cells(notebook) for output in cell.outputs for kind in output.get("data", ())}
    assert "image/png" in kinds
    assert path.stat().st_size < 600_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_cells_are_thin(path):
    assert max(len(cell.source.splitlines()) for cell in code_cells(read(path))) <= 12


def test_notebooks_are_found():
    assert "01_first_look" in [path.stem for path in NOTEBOOKS]


@pytest.mark.notebook
@pytest.mark.parametrize(
    "source",
    [
        "1 / 0",
        "import ipywidgets\nbox = ipywidgets.Output()\nwith box:\n    1 / 0\nbox",
        "import ipywidgets\nipywidgets.interact(lambda x: 1 / 0, x=3)",
    ],
    ids=["cell", "output", "callback"],
)
def test_errors_sees_a_fault_in_a_cell_and_in_a_widget(source, kernel):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    execute(notebook)
    assert [message.split(":")[0] for message in errors(notebook)] == ["ZeroDivisionError"]
