"""The two-state explorer in JupyterLab, driven by mouse and keyboard, against the exact solver."""

import numpy as np
import pytest

from tabular import polytope as geometry
from tabular.equivalence import q_equivalent
from tabular.evaluate import evaluate
from tabular.mdp import make_mdp, with_changes
from tabular.solve import solve
from tabular.widgets.two_state import models
from tabular.widgets.two_state.presets import PRESETS
from tabular.worlds import two_state
from tests.browser.actions import change

pytestmark = pytest.mark.browser
HEIGHT = 1500

TRUE = two_state().to_dense()
START = np.array([[0.6, 0.4], [0.3, 0.7]])
SOURCE = """from tabular.widgets import TwoStateExplorer
explorer = TwoStateExplorer()
explorer"""


def close(found, expected, accuracy: float = 1e-9) -> None:
    np.testing.assert_allclose(found, expected, atol=accuracy, rtol=0)


def numbers(explorer, selector: str, *names: str) -> np.ndarray:
    """Exact numbers of all elements that match, one row each."""
    script = "(nodes, names) => nodes.map((node) => names.map((name) => Number(node.dataset[name])))"
    return np.array(explorer.locator(selector).evaluate_all(script, list(names)))


def V(explorer) -> np.ndarray:
    """Values of the present policy, as they stand in the picture."""
    return numbers(explorer, "[data-value-point]", "v0", "v1")[0]


def policy(explorer) -> np.ndarray:
    first = numbers(explorer, "[data-policy-point]", "p0", "p1")[0]
    return np.stack([first, 1 - first], axis=1)


def centre(explorer, selector: str) -> tuple[float, float]:
    box = explorer.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(explorer, selector: str, by: tuple[float, float]) -> None:
    """A real drag of an element, in a few moves."""
    mouse, (x, y) = explorer.page.mouse, centre(explorer, selector)
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + by[0], y + by[1], steps=4)
    mouse.up()
    settled(explorer)


def settled(explorer) -> None:
    """Wait until no answer has come for a while."""
    explorer.page.wait_for_function(
        """(root) => new Promise((done) => {
             const before = root.dataset.revision;
             setTimeout(() => done(root.dataset.revision === before), 250);
           })""",
        arg=explorer.element_handle(),
    )


def test_first_picture_shows_the_exact_values(explorer, shots):
    close(V(explorer), evaluate(TRUE, START).V)
    close(numbers(explorer, "[data-star]", "v0", "v1")[0], solve(TRUE).V)
    corners = numbers(explorer, "[data-corner]", "v0", "v1")
    close(corners, [evaluate(TRUE, np.array([a, b])).V for a in (0, 1) for b in (0, 1)])
    for s in (0, 1):
        close(numbers(explorer, f"[data-line='{s}'] .tick", "v0", "v1"), geometry.line(TRUE, START, s).V)
    assert float(explorer.locator("[data-j-text]").get_attribute("data-value")) == pytest.approx(
        evaluate(TRUE, START).J, abs=1e-9
    )
    explorer.screenshot(path=shots / "two-state.png")


def test_policy_is_dragged_and_moved_by_keys(explorer):
    before = explorer.locator(".plane").screenshot()
    drag(explorer, "[data-policy-point]", (40, -60))
    pi = policy(explorer)
    assert pi[0, 0] > 0.7 and pi[1, 0] > 0.5
    close(V(explorer), evaluate(TRUE, pi).V)
    assert explorer.locator(".plane").screenshot() != before
    explorer.locator("[data-square]").focus()
    with change(explorer):
        explorer.page.keyboard.press("ArrowLeft")
    with change(explorer):
        explorer.page.keyboard.press("Shift+ArrowUp")
    close(policy(explorer)[:, 0], pi[:, 0] + [-0.05, 0.01])
    close(V(explorer), evaluate(TRUE, policy(explorer)).V)


def test_values_are_dragged_and_the_policy_follows(explorer):
    drag(explorer, "[data-value-point]", (25, -20))
    assert abs(V(explorer) - evaluate(TRUE, START).V).max() > 0.05
    close(V(explorer), evaluate(TRUE, policy(explorer)).V)
    better = geometry.improved(evaluate(TRUE, policy(explorer)).Q, policy(explorer))
    explorer.locator("[data-plane]").focus()
    with change(explorer):
        explorer.page.keyboard.press("i")
    close(policy(explorer), better)


def test_probabilities_and_rewards_are_typed_and_dragged(explorer, shots):
    cell = explorer.locator("[data-cell='0,0,1']")
    with change(explorer):
        cell.fill("0.45")
        explorer.page.keyboard.press("Enter")
    P, r = TRUE.P.copy(), TRUE.r.copy()
    P[0, 0] = [0.55, 0.45]
    close(V(explorer), evaluate(make_mdp(P, r, gamma=0.9), START).V)
    explorer.locator("[data-cell='1,1,r']").focus()
    with change(explorer):
        explorer.page.keyboard.press("ArrowUp")
    r[1, 1] = 0.55
    close(V(explorer), evaluate(make_mdp(P, r, gamma=0.9), START).V)
    close(numbers(explorer, "[data-arrow='0,0,1']", "p")[0], [0.45])
    drag(explorer, "[data-pair='0,1'] .action", (30, 0))
    P[0, 1, 1] = numbers(explorer, "[data-cell='0,1,1']", "value")[0, 0]
    P[0, 1, 0] = 1 - P[0, 1, 1]
    assert P[0, 1, 1] > 0.1
    close(V(explorer), evaluate(make_mdp(P, r, gamma=0.9), START).V)
    explorer.screenshot(path=shots / "two-state-edited.png")


def test_wrong_numbers_are_refused_in_red(explorer, shots):
    with change(explorer):
        explorer.locator("[data-cell='0,0,1']").fill("1.2")
        explorer.page.keyboard.press("Enter")
    assert "P[0, 0, 1] = 1.2, expected a probability from 0 to 1" in explorer.locator(".message.error").inner_text()
    close(V(explorer), evaluate(TRUE, START).V)
    explorer.screenshot(path=shots / "two-state-error.png")


def test_typed_field_follows_a_preset_and_nobody_else_hears_of_it(explorer):
    cell = explorer.locator("[data-cell='0,0,1']")
    with change(explorer):
        cell.fill("0.45")
        explorer.page.keyboard.press("Enter")
    explorer.evaluate("""() => {
      window.heard = 0;
      document.addEventListener("selectionchange", (event) => (window.heard += event.target !== document));
    }""")
    with change(explorer):
        explorer.locator("[data-preset=shape]").click()
    settled(explorer)
    assert float(cell.input_value()) == PRESETS["shape"].state["world"].P[0, 0, 1] != 0.45
    assert explorer.evaluate("() => window.heard") == 0


def test_more_actions_get_sliders(explorer):
    with change(explorer):
        explorer.locator("[data-action=add_action]").click()
    assert explorer.locator("[data-probability]").count() == 6
    explorer.locator("[data-probability='0,2'] input[type=range]").focus()
    with change(explorer):
        explorer.page.keyboard.press("ArrowRight")
    P = np.concatenate([TRUE.P, np.full((2, 1, 2), 0.5)], axis=1)
    larger = make_mdp(P, np.column_stack([TRUE.r, [0, 0]]), gamma=0.9)
    close(V(explorer), evaluate(larger, np.array([[0.594, 0.396, 0.01], [0.3, 0.7, 0]])).V)


def test_model_stands_beside_the_truth(explorer, shots):
    with change(explorer):
        explorer.locator("[data-preset=alike]").click()
    model = q_equivalent(TRUE, models.other_transitions(TRUE, 1.0, 31).P)
    close(numbers(explorer, "[data-model-star]", "v0", "v1")[0], solve(TRUE).V)
    close(numbers(explorer, "[data-imagined]", "v0", "v1")[0], evaluate(model, START).V)
    assert explorer.locator("[data-fact=loss]").inner_text() == "nothing"
    explorer.screenshot(path=shots / "two-state-alike.png")
    with change(explorer):
        explorer.locator("[data-control=source] [data-value=other]").click()
    wrong = with_changes(model, r=TRUE.r)
    lost = solve(TRUE).J - evaluate(TRUE, solve(wrong).pi).J
    close(numbers(explorer, "[data-fact=loss]", "value")[0], [lost])
    close(numbers(explorer, "[data-plan]", "v0", "v1")[0], evaluate(TRUE, solve(wrong).pi).V)


def test_fifty_models_are_drawn_and_chosen(explorer, shots):
    with change(explorer):
        explorer.locator("[data-preset=alike]").click()
    with change(explorer):
        explorer.locator("[data-action=scatter]").click()
    alike, other = (numbers(explorer, f".cloud .{kind}", "kl", "loss", "seed") for kind in ("equivalent", "other"))
    assert len(alike) == len(other) == 50
    assert (alike[:, 1] == 0).all() and other[:, 1].max() > 0.5
    explorer.screenshot(path=shots / "two-state-fifty.png")
    worst = int(other[:, 1].argmax())
    explorer.locator(".cloud .other").nth(worst).click()
    settled(explorer)
    close(numbers(explorer, "[data-fact=loss]", "value")[0], [other[worst, 1]])


def test_lessons_of_any_length_leave_the_pictures_where_they_are(explorer):
    heights, tops = set(), set()
    for name in PRESETS:
        with change(explorer):
            explorer.locator(f"[data-preset={name}]").click()
        settled(explorer)
        heights.add(explorer.locator(".lessons .shown").bounding_box()["height"])
        tops.add(explorer.locator(".plane").bounding_box()["y"] - explorer.bounding_box()["y"])
    assert len(heights) > 1
    assert len(tops) == 1


@pytest.mark.parametrize("name", ["steps", "shape", "algorithms", "data"])
def test_presets_open_with_their_lesson(explorer, shots, name):
    before = explorer.locator(".plane").screenshot()
    with change(explorer):
        explorer.locator(f"[data-preset={name}]").click()
    assert explorer.locator(".lessons .shown .task").inner_text()
    assert explorer.locator(f"[data-preset={name}]").get_attribute("aria-pressed") == "true"
    assert explorer.locator(".plane").screenshot() != before
    explorer.page.wait_for_timeout(200)  # the button's colour fades
    explorer.screenshot(path=shots / f"two-state-{name}.png")


def test_tooltip_tells_values_on_hover(explorer):
    explorer.locator("[data-star]").hover()
    text = explorer.locator(".tip.on").inner_text()
    assert "V*" in text and f"{solve(TRUE).V[0]:.6g}" in text


def test_picture_and_mdp_are_downloaded(explorer):
    for action, name in (("export_figure", "two-states-first.png"), ("export_mdp", "two-states-first.npz")):
        with explorer.page.expect_download() as download:
            explorer.locator(f"[data-action={action}]").click()
        assert download.value.suggested_filename == name


def test_dark_theme_and_narrow_page(jupyter, shots):
    source = SOURCE.replace("()", "(preset='alike')")
    with jupyter.notebook(source, dark=True, width=760, height=1900) as page:
        explorer = jupyter.explorer(page)
        columns = explorer.locator(".top").evaluate("(node) => getComputedStyle(node).gridTemplateColumns")
        assert len(columns.split()) == 1
        close(V(explorer), evaluate(TRUE, START).V)
        explorer.screenshot(path=shots / "two-state-dark.png")
