"""Every notebook runs from top to bottom, and is kept with the outputs of such a run."""

import math
import re

import nbformat
import pytest

from tests.notebooks import KERNEL, NOT_KERNEL, NOTEBOOKS, code_cells, errors, execute, read

LARGEST = 600_000
"""Bytes of a notebook, outputs included."""
SAME, ZERO = 1e-3, 1e-8
"""Two numbers agree if they differ by less than `SAME` times their size, by `ZERO`, or by one unit of the last digit
that is printed."""
VARIES = "varies"
"""Tag of a cell whose numbers may depend on the machine: the search of an attack, which climbs until it rounds."""
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d*)?(?:e[-+]?\d+)?%?(?![\w])", re.IGNORECASE)
IMPORT = re.compile(r"import |from |%|\s*$")
"""A line that says what is used, or nothing."""
PASSING = re.compile(r"\d+(?:\.\d+)?(?= (?:s|ms|seconds)\b)|<[^<>]* at 0x[0-9a-f]+>")
"""What no second run repeats: seconds, and addresses of objects."""


def printed(cell) -> str:
    """What a cell printed, and the values that it showed as text only."""
    texts = []
    for output in cell.outputs:
        shown = output.get("data", {})
        texts.append(output.get("text", "") or ("" if "image/png" in shown else shown.get("text/plain", "")))
    return PASSING.sub("", "".join(texts))


def disagreements(kept: str, fresh: str) -> list[str]:
    """Numbers of two printed texts that don't agree, or the texts themselves if their words differ."""
    words, new_words = ("".join(NUMBER.sub("#", text).split()) for text in (kept, fresh))
    if words != new_words:
        return [f"{kept!r} became {fresh!r}"]
    pairs = zip(NUMBER.findall(kept), NUMBER.findall(fresh), strict=True)
    return [f"{old} became {new}" for old, new in pairs if not agree(old, new)]


def changes(kept, fresh) -> list[str]:
    """What two runs of a notebook disagree on, cell by cell."""
    pairs = [
        (old, new)
        for old, new in zip(code_cells(kept), code_cells(fresh), strict=True)
        if VARIES not in old.metadata.get("tags", ())
    ]
    return [change for old, new in pairs for change in disagreements(printed(old), printed(new))]


def agree(old: str, new: str) -> bool:
    """Whether two printed numbers agree as far as can be asked of another run."""
    x, y = (float(number.strip("%").replace(",", "")) for number in (old, new))
    return math.isclose(x, y, rel_tol=SAME, abs_tol=max(ZERO, 1.01 * min(last_digit(old), last_digit(new))))


def last_digit(number: str) -> float:
    """The unit of the last digit of a number that has a point or an exponent; 0 for a whole number."""
    mantissa, _, exponent = number.strip("%").lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - decimals) if decimals or exponent else 0.0


@pytest.fixture
def kernel(monkeypatch):
    """One linear-algebra thread, pictures as in a browser, this copy of the package."""
    for name, value in KERNEL.items():
        monkeypatch.setenv(name, value)
    for name in NOT_KERNEL:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_without_an_error_and_prints_the_numbers_that_are_kept(path, kernel):
    """Both in one test: a run takes half a minute, and is done once."""
    kept, fresh = read(path), read(path)
    execute(fresh)
    assert errors(fresh) == []
    assert changes(kept, fresh) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_with_the_outputs_of_one_run(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert errors(notebook) == []
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    kinds = {kind for cell in code_cells(notebook) for output in cell.outputs for kind in output.get("data", ())}
    assert "image/png" in kinds
    assert path.stat().st_size <= LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_cells_are_thin(path):
    """At most twelve lines, imports left out."""
    cells = [[line for line in cell.source.splitlines() if not IMPORT.match(line)] for cell in code_cells(read(path))]
    assert max(map(len, cells)) <= 12


def test_notebooks_are_found():
    assert "01_first_look" in [path.stem for path in NOTEBOOKS]


@pytest.mark.parametrize(
    ("kept", "fresh", "count"),
    [
        ("J = 1.0273", "J = 1.0272", 0),
        ("J = 1.0273", "J = 1.0299", 1),
        ("J  = [ 1.03 -0.2 ]", "J = [1.03 -0.2]", 0),
        ("residual 1.6e-16", "residual 3.2e-16", 0),
        ("error 4e-03", "error 8e-03", 1),
        ("2 of 200 violations", "3 of 200 violations", 1),
        ("10,000 steps, 48%", "10,001 steps, 47%", 1),
        ("1/3 > 2/7", "1/3 > 3/7", 1),
        ("holds", "violated", 1),
        ("inf", "12", 1),
        ("-0.00", "0.00", 0),
    ],
)
def test_disagreements_finds_numbers_and_words_that_changed(kept, fresh, count):
    assert len(disagreements(kept, fresh)) == count


def test_printed_leaves_out_what_no_second_run_repeats():
    stream = nbformat.v4.new_output("stream", text="3 claims in 2.3 s: all hold\n")
    shown = nbformat.v4.new_output("execute_result", data={"text/plain": "<Line2D at 0x7f3aa020c5d0>"})
    picture = nbformat.v4.new_output("display_data", data={"text/plain": "<Figure size 640x480>", "image/png": ""})
    cell = nbformat.v4.new_code_cell(outputs=[stream, shown, picture])
    assert NUMBER.findall(printed(cell)) == ["3"]


@pytest.mark.parametrize(("tags", "count"), [([], 1), ([VARIES], 0)])
def test_changes_leaves_out_cells_that_vary(tags, count):
    outputs = [[nbformat.v4.new_output("stream", text=f"J = {J}")] for J in (1.0, 2.0)]
    cells = [nbformat.v4.new_code_cell(metadata={"tags": tags}, outputs=shown) for shown in outputs]
    kept, fresh = (nbformat.v4.new_notebook(cells=[cell]) for cell in cells)
    assert len(changes(kept, fresh)) == count


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
