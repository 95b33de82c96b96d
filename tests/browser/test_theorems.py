"""The theorem board in JupyterLab, driven by mouse and keyboard, against the lab and its record."""

import json

import numpy as np
import pytest

from tabular import lab
from tabular.claims import every, find
from tabular.widgets import TheoremBoard
from tabular.widgets.theorems import stored
from tests.browser.actions import change

pytestmark = pytest.mark.browser
HEIGHT = 1500

SOURCE = """from tabular.widgets import TheoremBoard
explorer = TheoremBoard(claim="vagram.pinsker.printed", n=100)
explorer"""
PATIENCE = 60_000


def cell(explorer, name):
    return explorer.locator(f"[data-claim='{name}']")


def opened(explorer):
    return explorer.locator("[data-open]").get_attribute("data-open")


def finished(explorer, kind):
    """Wait until a run is over."""
    explorer.locator(f"[data-run][data-kind={kind}][data-going=false]").wait_for(timeout=PATIENCE)


def sides(explorer):
    return [float(explorer.locator(f"[data-side={side}]").get_attribute("data-value")) for side in ("lhs", "rhs")]


def test_cells_show_the_kept_verdicts(explorer, shots):
    known = stored.recorded(stored.DOCS)
    facts = explorer.locator("[data-claim]").evaluate_all(
        "nodes => nodes.map((node) => [node.dataset.claim, node.dataset.status, node.dataset.ratio])"
    )
    assert [name for name, *_ in facts] == [claim.name for claim in every()]
    for name, status, ratio in facts:
        assert status == known[name].status
        assert (np.isnan(known[name].max_ratio) and ratio == "null") or float(ratio) == known[name].max_ratio
    assert explorer.locator("[data-show=all] b").get_attribute("data-count") == str(len(every()))
    explorer.screenshot(path=shots / "theorems.png")


def test_click_opens_a_claim_and_its_link_the_corrected_one(explorer, shots):
    before = explorer.screenshot()
    with change(explorer):
        cell(explorer, "maac.thm41.printed").click()
    assert opened(explorer) == "maac.thm41.printed" and explorer.screenshot() != before
    assert sides(explorer) == [8 / 3, 2.0]
    assert explorer.locator("[data-side=lhs]").inner_text() == "8/3"
    typed = explorer.locator("pre.equation").get_attribute("data-typed")
    assert typed in find("A4x").text
    probabilities = explorer.locator("[data-table=P] td").evaluate_all(
        "nodes => nodes.map((node) => node.dataset.value)"
    )
    _, values = TheoremBoard(claim="A4x").witnesses["certificate"]
    assert [float(text) for text in probabilities] == [float(p) for p in values["P"].flat]
    explorer.screenshot(path=shots / "theorems-claim.png")
    with change(explorer):
        explorer.locator("[data-link='maac.thm41.sharp']").click()
    assert opened(explorer) == "maac.thm41.sharp"


def test_instance_is_drawn_as_a_graph(explorer, shots):
    with change(explorer):
        cell(explorer, "omd.thm2.mle.signed").click()
    with change(explorer):
        explorer.locator("[data-control=form] [data-value=graph]").click()
    for graph, mdp in zip(("MDP", "model"), TheoremBoard(claim="omd.thm2.mle.signed").mdps.values(), strict=True):
        arcs = explorer.locator(f"[data-graph={graph}] [data-arc]").evaluate_all(
            "nodes => nodes.map((node) => [node.dataset.arc, Number(node.dataset.chance)])"
        )
        likely = mdp.to_dense().P.max(1)
        assert dict(arcs) == {f"{s},{t}": likely[s, t] for s, t in np.argwhere(likely > 0).tolist()}
    explorer.screenshot(path=shots / "theorems-graph.png")
    with change(explorer):
        explorer.locator("[data-control=form] [data-value=numbers]").click()
    assert explorer.locator("[data-graph]").count() == 0 and explorer.locator("[data-table=P]").count() == 1


def test_arrows_move_over_the_board_and_enter_opens(explorer):
    names = [claim.name for claim in every()]
    cell(explorer, "vagram.pinsker.printed").focus()
    explorer.page.keyboard.press("ArrowRight")
    at = explorer.page.evaluate("() => document.activeElement.dataset.claim")
    assert at == names[names.index("vagram.pinsker.printed") + 1]
    explorer.page.keyboard.press("ArrowUp")
    above = explorer.page.evaluate("() => document.activeElement.dataset.claim")
    assert names.index(above) < names.index(at)
    with change(explorer):
        explorer.page.keyboard.press("Enter")
    assert opened(explorer) == above


def test_words_and_choices_filter_the_board(explorer):
    with change(explorer):
        explorer.locator("[data-search]").fill("pinsker")
    found = explorer.locator("[data-claim]:not([hidden])").evaluate_all(
        "nodes => nodes.map((node) => node.dataset.claim)"
    )
    board = TheoremBoard()
    board.search("pinsker")
    assert found == [claim.name for claim in board.listed("all")] and len(found) >= 4
    with change(explorer):
        explorer.locator("[data-show=violated]").click()
    shown = explorer.locator("[data-claim]:not([hidden])")
    assert shown.count() == len(board.listed("violated")) < len(found)
    assert not cell(explorer, "omd.thm1").is_visible()


def test_check_counts_live_and_gives_the_verdict_of_the_lab(explorer, shots):
    explorer.locator("[data-action=stop]").wait_for()
    explorer.focus()
    explorer.page.keyboard.press("c")
    finished(explorer, "check")
    expected = lab.check("vagram.pinsker.printed", n=100)[0]
    row = explorer.locator("[data-result='check, 100 instances, seed 0']")
    assert row.get_attribute("data-violations") == str(expected.violations)
    assert float(row.get_attribute("data-ratio")) == expected.max_ratio
    bins = explorer.locator("[data-bin]").evaluate_all("nodes => nodes.map((node) => Number(node.dataset.broken))")
    assert sum(bins) == expected.violations
    left, right = sides(explorer)
    assert left - right == pytest.approx(-expected.min_slack, abs=1e-12)
    explorer.screenshot(path=shots / "theorems-checked.png")


def test_long_check_shows_progress_and_stops(explorer):
    with change(explorer):
        explorer.locator("[data-control=n] input[type=text]").fill("10000")
        explorer.page.keyboard.press("Enter")
    explorer.locator("[data-action=check]").click()
    explorer.page.wait_for_function(
        "(root) => Number(root.querySelector('.progress').ariaValueNow) >= 1",
        arg=explorer.element_handle(),
        timeout=PATIENCE,
    )
    explorer.locator("[data-action=stop]").click()
    explorer.locator("[data-run][data-stopped=true]").wait_for(timeout=PATIENCE)
    tested = int(explorer.locator("[data-run]").get_attribute("data-tested"))
    assert 50 <= tested < 10_000 and explorer.locator("[data-result]").count() == 0


def test_attack_climbs_to_the_root_of_2(explorer, shots):
    explorer.locator("[data-action=attack]").click()
    explorer.locator("[data-run][data-doing='compiling the gradient']").wait_for(timeout=PATIENCE)
    finished(explorer, "attack")
    best = float(explorer.locator("[data-best]").get_attribute("data-best"))
    assert 1.414 < best < 2**0.5
    explorer.screenshot(path=shots / "theorems-attacked.png")


def test_dropped_hypothesis_breaks_the_theorem(explorer):
    with change(explorer):
        explorer.locator("[data-preset=hypothesis]").click()
    with change(explorer):
        explorer.locator("[data-assume]").click()
    assert explorer.locator("[data-assume]").get_attribute("aria-checked") == "false"
    explorer.locator("[data-action=check]").click()
    finished(explorer, "check")
    expected = lab.check("omd.thm2.mle", n=1000, without="rewards in [0, r_max]")[0]
    assert explorer.locator("[data-result]").get_attribute("data-violations") == str(expected.violations) != "0"
    assert "without rewards in [0, r_max]" in explorer.locator("[data-result]").inner_text()


def test_certificate_is_verified_and_downloaded(explorer):
    with change(explorer):
        explorer.locator("[data-action=verify]").click()
    assert float(explorer.locator("[data-certificate]").get_attribute("data-verified")) > 0
    assert "verified in exact arithmetic" in explorer.locator("[data-certificate]").inner_text()
    for action, name in (("export_certificate", "vagram.pinsker.printed.json"), ("export_figure", "theorem-board.png")):
        with explorer.page.expect_download() as download:
            explorer.locator(f"[data-action={action}]").click()
        assert download.value.suggested_filename == name
        if name.endswith("json"):
            assert json.loads(download.value.path().read_text())["kind"]["value"] == "violated"


def test_number_beyond_the_slider_is_refused_in_red(explorer):
    number = explorer.locator("[data-control=n] input[type=text]")
    with change(explorer):
        number.fill("20000")
        explorer.page.keyboard.press("Enter")
    assert "n = 20000, expected a number from 10 to 10000" in explorer.locator(".message.error").inner_text()


def test_dark_theme_and_narrow_page(jupyter, shots):
    with jupyter.notebook(SOURCE, dark=True, width=760, height=2200) as page:
        explorer = jupyter.explorer(page)
        columns = explorer.locator(".columns").evaluate("(node) => getComputedStyle(node).gridTemplateColumns")
        assert len(columns.split()) == 1
        wide = (
            "(root) => Math.max(...[...root.querySelectorAll('*')].map((node) => node.getBoundingClientRect().right))"
        )
        assert explorer.evaluate(wide) <= explorer.evaluate("(root) => root.getBoundingClientRect().right") + 1
        explorer.screenshot(path=shots / "theorems-dark.png")
