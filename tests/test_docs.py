"""What the documentation shows runs as written, prints what it says, and names only what exists."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
RUNNING = [page for page in PAGES if "```python" in page.read_text()]
SLOW = {"index.md", "objective.md", "model_class.md", "mismatch.md", "train.md", "networks.md"}
"""Pages on which models are fitted: most of the time goes to compiling."""
FINDS = {"lab.md": ("violated (certified)", "('rewards in [0, r_max]',)")}
"""What pages that show no outputs must print."""

BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n*```text\n(?P<output>.*?)^```)?", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")

RUNNER = """
import contextlib, io, json, sys
told = []
scope = {"__name__": "page"}
for number, code in enumerate(json.load(open("blocks.json"))):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, f"block {number + 1}", "exec"), scope)
    told.append(out.getvalue())
json.dump(told, open("told.json", "w"))
"""


def run(page: Path, folder: Path) -> list[str]:
    """What each Python block of a page prints, run one after the other in one fresh interpreter."""
    blocks = [match["code"] for match in BLOCK.finditer(page.read_text())]
    (folder / "blocks.json").write_text(json.dumps(blocks))
    (folder / "runner.py").write_text(RUNNER)
    done = subprocess.run(
        [sys.executable, "-W", "error", "runner.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "HOME": str(folder), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "told.json").read_text())


def same(shown: str, printed: str) -> bool:
    """Whether two outputs have the same words, and numbers within one unit of the last digit that is shown.

    Numbers in exponential form are sizes of rounding errors, which depend on the processor: within a factor of 10.
    """
    words = [re.split(r"\s+", NUMBER.sub("#", text.strip())) for text in (shown, printed)]
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=False)
    return words[0] == words[1] and all(_close(a, b) for a, b in pairs)


def _close(a: str, b: str) -> bool:
    if "e" in a:
        return float(b) != 0 and 0.1 <= float(a) / float(b) <= 10
    digits = len(a.partition(".")[2])
    return abs(float(a) - float(b)) <= (1.01 * 10.0**-digits if digits else 0)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page.name in SLOW else []) for page in RUNNING],
    ids=lambda page: str(page.relative_to(DOCS)),
)
def test_page_runs_as_written_and_prints_what_it_says(page, tmp_path):
    printed = run(page, tmp_path)
    shown = [match["output"] for match in BLOCK.finditer(page.read_text())]
    wrong = [(said, did) for said, did in zip(shown, printed, strict=True) if said is not None and not same(said, did)]
    assert wrong == []
    assert [words for words in FINDS.get(page.name, ()) if words not in "".join(printed)] == []


@pytest.mark.parametrize("page", [page for page in RUNNING if page.name not in FINDS], ids=lambda page: page.stem)
def test_page_shows_what_its_blocks_print(page):
    """A block that prints is followed by its output: a number in the text can be found there."""
    silent = [match["code"] for match in BLOCK.finditer(page.read_text()) if "print(" in match["code"]]
    shown = [match["output"] for match in BLOCK.finditer(page.read_text()) if match["output"] is not None]
    assert len(shown) == len(silent)


def test_same_sees_another_number_and_another_word():
    assert same("off by 0.31, 3e-15 left", "off by 0.32, 9e-15 left")
    assert not same("off by 0.31", "off by 0.33")
    assert not same("off by 3e-15", "off by 3e-13")
    assert not same("off by 3 states", "off by 4 states")
    assert not same("off by 0.31", "on by 0.31")
    assert not same("0.31", "0.31 0.31")


def test_pages_name_only_commands_that_exist():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = "\n".join(page.read_text() for page in PAGES if page.name != "changelog.md")
    spans = "\n".join(re.findall(r"```sh\n.*?```|`[^`\n]+`", text, re.DOTALL))
    for program in ("tabular", "deep"):
        help = [sys.executable, "-m", program, "--help"]
        helped = subprocess.run(help, cwd=ROOT, capture_output=True, text=True).stdout
        commands = set(re.findall(rf"(?<![\w.]){program} ([a-z]+)\b(?!\.)", spans))
        assert {name for name in commands if not re.search(rf"\b{name}\b", helped)} == set()
    assert set(re.findall(r"\bmake ([a-z-]+)", spans)) - set(targets) == set()


def test_pictures_of_the_pages_exist_and_say_what_they_show():
    pattern = re.compile(r"```\{image\} (\S+)\n((?::.*\n)*)|!\[(.*?)\]\((\S+?)\)")
    for page in PAGES:
        for match in pattern.finditer(page.read_text()):
            path, words = match[1] or match[4], match[2] or match[3]
            assert (page.parent / path).exists(), f"{page.name}: {path}"
            assert words.strip(), f"{page.name}: {path} has no description"


def test_animation_is_small_and_moves():
    from PIL import Image

    path = DOCS / "images/learning.gif"
    with Image.open(path) as moving:
        assert moving.n_frames > 20  # type: ignore[attr-defined]
    assert path.stat().st_size < 1_000_000


def test_mathjax_comes_from_a_package_in_one_file():
    """The pages read without a network: nothing is fetched, whatever is needed is beside them."""
    package = find_spec("sphinx-mathjax-offline")
    assert package is not None and package.submodule_search_locations is not None
    assert (Path(package.submodule_search_locations[0]) / "static/mathjax/tex-svg.js").stat().st_size > 1_000_000
    assert "http" not in re.sub(r'"""(.*?)"""', "", (DOCS / "conf.py").read_text(), flags=re.DOTALL)


@pytest.mark.slow
def test_pages_build_without_a_warning_and_fetch_nothing(tmp_path):
    build = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        tmp_path / "trees",
        DOCS,
        tmp_path / "html",
    ]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "html").rglob("*.html"))
    assert len(pages) >= len(PAGES)
    fetched = re.compile(r"<(?:script|link|img)[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*\"")
    assert {page.name: fetched.findall(page.read_text()) for page in pages if fetched.search(page.read_text())} == {}
    assert r"\hat{P}" in (tmp_path / "html/reference.html").read_text()


# equations of docstrings

_SPEC = spec_from_file_location("equations", DOCS / "equations.py")
assert _SPEC is not None and _SPEC.loader is not None
equations = module_from_spec(_SPEC)
_SPEC.loader.exec_module(equations)

LAYOUT = r"\\\\|\\(?:text|operatorname|mathbb|mathtt|mathrm|qquad|begin\{aligned\}|end\{aligned\}|[,|{}_])"
BACK = {"varepsilon": "eps", "infty": "inf", "nabla": "grad"}
SIGNS = {"leq", "geq", "neq", "to", "leftarrow", "sim", "propto", "cdot", "dots", "langle", "rangle"}


def indented_blocks() -> list[str]:
    """Every indented block of a public docstring, and of the page of theorems, its paragraphs apart."""
    found = []
    for path in sorted(path for package in ("tabular", "deep") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found += re.findall(r"(?:(?<=\n\n)|^)((?: {4}[^\n]*(?:\n|$))+)", ast.get_docstring(node) or "")
    return found + re.findall(r"(?<=\n\n)((?: {4}[^\n]*\n)+)", (DOCS / "theorems.md").read_text())


def rendered() -> list[tuple[str, str]]:
    return [(block, equations.block_latex(block)) for block in indented_blocks() if equations.is_equation(block)]


def symbols(latex: str) -> str:
    """LaTeX back to the names it stands for, layout left out."""
    plain = re.sub(LAYOUT, " ", latex)
    return re.sub(r"\\([A-Za-z]+)", lambda name: "" if name[1] in SIGNS else BACK.get(name[1], name[1]), plain)


@pytest.mark.parametrize(
    ("typed", "latex"),
    [
        ("max |Q* - Q_hat|  <=  eps / (1 - gamma)", r"\max |Q^{*} - \hat{Q}| \leq \varepsilon / (1 - \gamma)"),
        ("V_hat^pi(s') = sum_t' P[s, a, t']", r"\hat{V}^{\pi}(s') = \sum_{t'} P[s, a, t']"),
        ("Q*_alpha = alpha log sum_a e^{Q / alpha}", r"Q^{*}_{\alpha} = \alpha \log \sum_{a} e^{Q / \alpha}"),
        ("KL(p(.|s, a) || q)", r"\operatorname{KL}(p(\cdot|s, a) \,\|\, q)"),
        ("sqrt(2 S A KL) h, h = 1e-20", r"\sqrt{2 S A \operatorname{KL}} h, h = 10^{-20}"),
        ("|TV - V*| for all s", r"|TV - V^{*}| \text{ for all } s"),
        ("P = sum of p over s", r"P = \text{ sum of } p \text{ over } s"),
        ("expect(V)[s]     = sum_t' V", r"\text{expect}(V)[s] = \sum_{t'} V"),
        ("expect_adjoint(mu)", r"\mathrm{expect\_adjoint}(\mu)"),
        ("TV(pi, pi_d) p * q", r"\operatorname{TV}(\pi, \pi_{d}) p \cdot q"),
    ],
)
def test_equation_is_rendered_token_by_token(typed, latex):
    assert re.sub(r"\s", "", equations.latex(typed)) == re.sub(r"\s", "", latex)


def test_equation_loses_and_adds_no_letter_digit_or_sign():
    def count(text):
        return Counter(char for char in text if char.isalnum() or char in "+/=")

    found = rendered()
    assert len(found) > 150
    for typed, latex in found:
        expected = re.sub(r"<-|->|<=|>=|!=", "", re.sub(r"\b1e-", "10-", typed))
        assert count(symbols(latex)) == count(expected), f"{typed}\n{latex}"


def test_equation_is_sound_latex():
    """By another reader: matplotlib's, line by line, for what it knows."""
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    texts = {re.sub(r"\\(begin|end)\{aligned\}\n?", "", latex) for _, latex in rendered()}
    lines = {line.replace("& ", "").strip() for text in texts for line in text.split("\\\\\n")}
    for line in lines:
        parser.parse(f"${line}$")


@pytest.mark.parametrize(
    "typed",
    [
        "mdp = from_gymnasium('FrozenLake-v1')",
        "gamma = 1/2\nP = [[1, 0], [0, 1]]",
        "gamma = 0.95\nslip = 0.1\nrewards = G=1 T=-1",
        "mle()    likelihood: reward errors and divergences\nomd()    return of the agent that plans",
        "exact    x = 0, so that I stands for the inverse Jacobian of the fixed point",
        "S..#G\n..T..",
        "Q = values that can't be told apart",
        "p = 5 % of q",
    ],
)
def test_code_tables_and_prose_are_no_equations(typed):
    assert not equations.is_equation(typed)
