"""The bound explorer in JupyterLab, driven by mouse and keyboard, against the library's bounds."""

import numpy as np
import pytest

from tabular.mdp import make_mdp
from tabular.mismatch import bounds, likelihood_bound, policy_bounds, sharp_bound
from tabular.optimism import ladder
from tabular.widgets import BoundExplorer
from tabular.worlds import two_state
from tests.browser.actions import PATIENCE, change

pytestmark = pytest.mark.browser

GAMMA, LEAK = 0.9, 0.25
SOURCE = f"""from tabular.widgets import BoundExplorer
explorer = BoundExplorer(gamma={GAMMA}, leak={LEAK})
explorer"""
OWN = """from tabular.mdp import make_mdp
from tabular.widgets import BoundExplorer
from tabular.worlds import two_state
true = two_state()
explorer = BoundExplorer(true, make_mdp(0.7 * true.P + 0.15, true.r, gamma=true.gamma, rho=true.rho))
explorer"""


def shown(explorer, name: str) -> float:
    """The number of a bound, or of the truth, as it stands in the document."""
    if name in ("true", "trivial"):
        return float(explorer.locator("[data-true]").get_attribute(f"data-{name}"))
    return float(explorer.locator(f"[data-line={name}]").get_attribute("data-value"))


def status(explorer, name: str) -> str:
    return explorer.locator(f"[data-line={name}]").get_attribute("data-status")


def sides(gamma: float = GAMMA, leak: float = LEAK, back: float = 0.0) -> dict[str, float]:
    """What the library says of two states that pay 1 and 0, the first of which leaks in the model."""
    true, model = (make_mdp([[[1 - t, t]], [[back, 1 - back]]], [[1.0], [0.0]], gamma=gamma) for t in (0.0, leak))
    backup, sharp, lemma = policy_bounds(true, model, np.zeros(2, dtype=int))
    return {"true": lemma.lhs, "lemma": lemma.rhs, "sharp": sharp.rhs, "backup": backup.rhs}


def agree(explorer, expected: dict[str, float]) -> None:
    assert {name: shown(explorer, name) for name in expected} == pytest.approx(expected, abs=1e-9)


def settled(explorer, name: str, value: float) -> None:
    """Wait until a slider has arrived somewhere."""
    explorer.page.wait_for_function(
        "([root, name, value]) => root.querySelector('.boundchart').getAttribute('aria-valuenow') === String(value)"
        " && root.dataset.flying !== 'true'",
        arg=[explorer.element_handle(), name, value],
        timeout=PATIENCE,
    )
    explorer.page.wait_for_timeout(150)


def press(explorer, key: str) -> None:
    with change(explorer):
        explorer.page.keyboard.press(key)


def test_first_picture_shows_the_bounds_of_the_library(explorer, shots):
    agree(explorer, sides())
    assert shown(explorer, "trivial") == pytest.approx(10)
    assert [status(explorer, name) for name in ("lemma", "sharp", "backup")] == ["vacuous", "attained", "attained"]
    assert explorer.locator("[data-vacuous]").count() == 1
    assert "vacuous: says nothing" in explorer.locator(".boundchart").text_content()
    explorer.screenshot(path=shots / "bound.png")


def test_handle_is_dragged_by_the_mouse(explorer):
    chart = explorer.locator(".boundchart")
    before = chart.screenshot()
    box = chart.bounding_box()
    mouse = explorer.page.mouse
    left, right = box["x"] + 46, box["x"] + box["width"] - 112
    y = box["y"] + 150
    mouse.move(left + LEAK * (right - left), y)
    mouse.down()
    for leak in (0.3, 0.45, 0.6):
        mouse.move(left + leak * (right - left), y)
    settled(explorer, "leak", 0.6)
    mouse.up()
    agree(explorer, sides(leak=0.6))
    assert explorer.locator("[data-control=leak] input[type=text]").input_value() == "0.60"
    assert chart.screenshot() != before


def test_handle_is_moved_by_keys(explorer):
    explorer.locator(".boundchart").focus()
    press(explorer, "ArrowRight")
    agree(explorer, sides(leak=0.26))
    press(explorer, "PageUp")
    agree(explorer, sides(leak=0.36))
    press(explorer, "End")
    agree(explorer, sides(leak=1.0))
    assert explorer.locator(".boundchart").get_attribute("aria-valuetext") == "τ = 1"
    press(explorer, "Home")
    assert status(explorer, "sharp") == "nothing"
    explorer.locator("[data-control=back] input[type=range]").focus()
    press(explorer, "ArrowRight")
    agree(explorer, sides(leak=0.0, back=0.01))


def test_another_axis_and_scale_change_the_picture(explorer):
    chart = explorer.locator(".boundchart")
    pictures = [chart.screenshot()]
    for control, value in (("along", "gamma"), ("scale", "log"), ("scale", "share")):
        with change(explorer):
            explorer.locator(f"[data-control={control}] [data-value={value}]").click()
        pictures.append(chart.screenshot())
    assert len(set(pictures)) == 4
    chart.focus()
    press(explorer, "ArrowLeft")
    agree(explorer, sides(gamma=0.89))


def test_flight_to_the_failing_instance_and_to_the_tight_one(explorer, shots):
    with change(explorer):
        explorer.locator("[data-control=bound] [data-value=theorem2]").click()
    explorer.focus()
    explorer.page.keyboard.press("f")
    settled(explorer, "leak", 1)
    agree(explorer, {"true": 1.0, "printed": 0.75, "range": 1.5, "sharp": 1.0})
    assert status(explorer, "printed") == "violated"
    assert "4/3" in explorer.locator("[data-line=printed]").inner_text()
    assert explorer.locator("[data-control=gamma] input[type=text]").input_value() == "0.3333"
    assert explorer.locator("[data-control=leak] input[type=text]").input_value() == "1.00"
    assert "omd.thm2.mle.signed" in explorer.locator("[data-note]").inner_text()
    explorer.screenshot(path=shots / "bound-fails.png")
    explorer.locator("[data-action=tight]").click()
    settled(explorer, "leak", 0.1)
    assert shown(explorer, "sharp") == pytest.approx(sharp_bound(0, 0.2, 2, 0.9))
    assert shown(explorer, "printed") == pytest.approx(likelihood_bound(0, 0.2, 2, 0.9))
    assert status(explorer, "sharp") == "attained"


@pytest.mark.parametrize("name", ["horizon", "plan", "ladder", "data"])
def test_presets_open_with_their_lesson(explorer, shots, name):
    before = explorer.locator(".boundchart").screenshot()
    with change(explorer):
        explorer.locator(f"[data-preset={name}]").click()
    exact = BoundExplorer(preset=name)
    explorer.page.wait_for_function("(root) => root.dataset.working === 'false'", arg=explorer.element_handle())
    while exact.working:
        exact.advance()
    agree(explorer, {side: float(value[0]) for side, value in exact.here.items()})
    assert explorer.locator(".lessons .shown .task").inner_text()
    explorer.page.wait_for_timeout(250)
    assert explorer.locator(".boundchart").screenshot() != before
    explorer.screenshot(path=shots / f"bound-{name}.png")


def test_ladder_is_that_of_the_library(explorer):
    with change(explorer):
        explorer.locator("[data-control=bound] [data-value=ladder]").click()
    explorer.locator(".boundchart").focus()
    press(explorer, "ArrowRight")
    P, r = [[[0, 0.5, 0.5]], [[0, 1, 0]], [[0, 0, 1]]], [[2.5], [1.0], [4.0]]
    found = ladder(make_mdp(P, r, gamma=0.9), [[[0, 0.49, 0.51]], *P[1:]], np.zeros(3, dtype=int))
    agree(explorer, {name: float(np.exp(getattr(found, name)[0])) for name in ("tight", "gamma_kl", "simple")})


def test_wrong_number_is_refused_in_red(explorer):
    number = explorer.locator("[data-control=leak] input[type=text]")
    with change(explorer):
        number.fill("3")
        explorer.page.keyboard.press("Enter")
    assert "leak = 3, expected a number from 0 to 1" in explorer.locator(".message.error").inner_text()
    assert number.input_value() == "0.25"
    agree(explorer, sides())


def test_tooltip_tells_both_sides_on_hover(explorer):
    box = explorer.locator(".boundchart").bounding_box()
    explorer.page.mouse.move(box["x"] + 46 + 0.5 * (box["width"] - 158), box["y"] + 100)
    text = explorer.locator(".tip.on").inner_text()
    assert "τ = 0.5" in text and f"{sides(leak=0.5)['sharp']:.4g}" in text


def test_curves_and_pair_are_downloaded(explorer):
    names = {
        "export_figure": "bounds-simulation.png",
        "export_curves": "bounds-simulation.csv",
        "export_pair": "bounds-simulation.zip",
    }
    for action, name in names.items():
        with explorer.page.expect_download() as download:
            explorer.locator(f"[data-action={action}]").click()
        assert download.value.suggested_filename == name
        assert download.value.path().stat().st_size > 500


def test_own_pair_in_the_dark_on_a_narrow_page(jupyter, shots):
    with jupyter.notebook(OWN, dark=True, width=760, height=1500) as page:
        explorer = jupyter.explorer(page)
        true = two_state()
        model = make_mdp(0.85 * true.P + 0.075, true.r, gamma=true.gamma, rho=true.rho)
        below, backup, _, sharp, likelihood, *_ = bounds(true, model)
        expected = {"true": backup.lhs, "below": below.lhs, "backup": backup.rhs, "sharp": sharp.rhs}
        agree(explorer, expected | {"likelihood": likelihood.rhs})
        assert explorer.locator("[data-control=bound] [data-value=pair]").is_visible()
        columns = explorer.locator(".columns").evaluate("(node) => getComputedStyle(node).gridTemplateColumns")
        assert len(columns.split()) == 1
        assert explorer.evaluate("(root) => root.scrollWidth <= root.clientWidth + 1")
        explorer.screenshot(path=shots / "bound-dark-narrow.png")
