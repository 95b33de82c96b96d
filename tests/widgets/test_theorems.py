"""The theorem board without a browser: its verdicts, its runs, its lessons."""

import dataclasses
import json
import shutil
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from matplotlib.figure import Figure

from tabular import lab
from tabular.claims import every, find
from tabular.lab.climb import CHUNKS
from tabular.lab.outcome import HOLDS, VIOLATED, Outcome, outcome
from tabular.mdp import make_mdp
from tabular.plot import graph as graph_module
from tabular.solve import solve
from tabular.widgets.theorems import stored
from tabular.widgets.theorems.drawn import READABLE, compared, paragraphs, tables
from tabular.widgets.theorems.explorer import CODES, TheoremBoard
from tabular.widgets.theorems.live import UNIT, Live, place

HOLDS_ON_ALL, SIMPLE = "holds on all tested", "simplifying"
ROWS = stored.recorded(stored.DOCS)


@lab.claim("mine.sum", "S", source="a test", fields={"x": lab.Box((2,))})
def small_sum(x):
    """Two numbers from 0 to 1 have a sum of at most 3/2.

        x + y  <=  3/2

    They have one of 2.
    """
    return lab.at_most(2 * x.xp.sum(x.x), 3 * x.xp.ones(()))


@pytest.fixture
def board():
    return TheoremBoard()


@pytest.fixture
def mine():
    return TheoremBoard(lab.check([small_sum], n=20, seed=1))


def run(board, kind):
    """Run the lab to the end, as a front end does; returns the scenes on the way."""
    board.do(kind)
    scenes = [board.scene()["run"]]
    while board.working:
        board.do("advance")
        scenes.append(board.scene()["run"])
    return scenes


# The board


def test_board_shows_the_kept_verdicts_on_all_claims(board):
    scene = board.scene()
    assert [CODES[code] for code in scene["status"]] == [ROWS[claim.name].status for claim in every()]
    np.testing.assert_array_equal(scene["ratio"], [ROWS[claim.name].max_ratio for claim in every()])
    assert scene["counts"]["all"] == len(every()) == scene["counts"]["holds"] + scene["counts"]["violated"]


@pytest.mark.parametrize("name", TheoremBoard.presets)
def test_board_begins_with_a_preset(name):
    asked, begun = TheoremBoard(), TheoremBoard(preset=name)
    asked.preset(name)
    assert (begun.claim, begun.preset_name) == (asked.claim, name)


def test_board_without_a_record_invents_no_verdict(monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "DOCS", tmp_path)
    board = TheoremBoard(claim="vagram.pinsker.printed", n=20)
    assert set(board.scene()["status"]) == {0} and board.scene()["counts"]["open"] == len(every())
    assert board.instance is None and "verify" in board.disabled()
    run(board, "check")
    assert board.status(board.claim) == "violated (certified)" and board.scene()["counts"]["violated"] == 1
    board.open("vagram.pinsker")
    assert board.status(board.claim) == ""


def test_board_reads_a_folder_or_refuses_it(tmp_path):
    (tmp_path / "records").mkdir()
    shutil.copy(stored.DOCS / stored.RECORD, tmp_path / "records")
    board = TheoremBoard(tmp_path)
    assert board.status(find("O6")) == HOLDS_ON_ALL and board.certificate == ""
    (tmp_path / "records" / "lab-board.csv").write_text("claim,status\nO6,fine\n")
    with pytest.raises(ValueError, match="has no column instances"):
        TheoremBoard(tmp_path)
    with pytest.raises(OSError, match=r"lab-board\.csv"):
        TheoremBoard(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        ("holds", lambda claim: ROWS[claim.name].status == HOLDS_ON_ALL),
        ("violated", lambda claim: ROWS[claim.name].status.startswith("violated")),
        ("sharp", lambda claim: claim.sharp),
        ("printed", lambda claim: bool(claim.corrected) and not claim.control),
        ("control", lambda claim: claim.control),
    ],
)
def test_filters_show_what_they_say(board, show, expected):
    board.show = show
    assert board.listed(show) == [claim for claim in every() if expected(claim)]
    assert board.scene()["shown"].sum() == board.scene()["counts"][show] > 0


def test_paper_and_words_narrow_the_board(board):
    board.paper = "vagram"
    board.do("search", text="pinsker PRINTED")
    assert [claim.name for claim in board.listed("all")] == ["vagram.pinsker.printed"]
    board.do("search", text="no such words")
    assert board.scene()["shown"].sum() == 0


# The claim that is open


@pytest.mark.parametrize("name", ["O6", "omd.thm2.mle.signed", "M1", "A0", "V6", "C17b", "G6"])
def test_every_kind_of_claim_opens_with_its_instances(board, name):
    claim = find(name)
    board.do("open", name=claim.id)
    opened = board.scene()["open"]
    assert opened["name"] == claim.name and opened["known"]["instances"] == ROWS[claim.name].instances
    for key in board.witnesses:
        board.look(key)
        names = [table["name"] for table in board.scene()["instance"]["tables"]]
        assert set(claim.fields) <= set(names)


def test_statement_keeps_the_layout_of_its_mathematics():
    parts = paragraphs(small_sum)
    assert [part["kind"] for part in parts] == ["text", "equation", "text"]
    assert parts[1]["text"] == "x + y  <=  3/2"
    typed = [part["text"] for part in paragraphs(find("omd.thm2.mle")) if part["kind"] == "equation"]
    assert typed == ["max |Q* - Q_hat|  <=  eps_r / (1 - gamma) + gamma eps_p r_max / (2 (1 - gamma)^2)"]


@pytest.mark.parametrize("name", ["O6x", "A4x", "M3", "T1e"])
def test_graph_has_an_arc_for_each_way_between_states(name):
    board = TheoremBoard(claim=name, form="graph")
    drawn = board.scene()["graphs"]
    assert [graph["name"] for graph in drawn] == [{"": "MDP", "_hat": "model"}[hat] for hat in board.mdps]
    for graph, mdp in zip(drawn, board.mdps.values(), strict=True):
        likely = mdp.to_dense().P.max(1)
        arcs = {(arc["from"], arc["to"]): arc for arc in graph["arcs"]}
        assert set(arcs) == {tuple(way) for way in np.argwhere(likely >= graph_module.LEAST_PROBABILITY).tolist()}
        for (s, t), arc in arcs.items():
            assert arc["chance"] == likely[s, t]
            ends = arc["line"][[0, -1]] - graph["nodes"][[s, t]]
            np.testing.assert_allclose(np.hypot(*ends.T), graph["radius"], atol=0.08)
        Q = solve(mdp).Q
        bold = {(arc["from"], row.split(",")[0][1:]) for arc in graph["arcs"] for row, best in arc["rows"] if best}
        assert bold == {(s, f"a{a}") for s, a in np.argwhere(Q >= Q.max(1, keepdims=True) - 1e-9).tolist()}


def test_graph_is_refused_where_there_is_none_to_read(board):
    assert list(READABLE) == list(range(2, graph_module.LARGEST + 1))
    board.open("vagram.pinsker.printed")
    with pytest.raises(ValueError, match="isn't an MDP of 2 to 6 states"):
        board.form = "graph"
    board.open("A4x")
    board.form = "graph"
    board.open("vagram.pinsker.printed")  # which is shown in numbers, and the choice is kept
    assert board.scene()["graphs"] == [] and board.form == "graph"
    board.open("A4x")
    assert len(board.scene()["graphs"]) == 1


def test_sides_are_those_of_the_certificate(board):
    for name in ("omd.thm2.mle.signed", "maac.thm41.printed", "classics.simulation.sharp", "vagram.pinsker.printed"):
        board.open(name)
        facts, _ = stored.certified(board.certificate)
        sides = board.instance["sides"]
        if facts["arithmetic"] == "rational":
            assert sides["exact"] == [facts["lhs"], facts["rhs"]]
            assert sides["lhs"] == float(Fraction(facts["lhs"]))
        assert sides["lhs"] > sides["rhs"] if facts["kind"] == "violated" else sides["lhs"] == sides["rhs"]


def test_sides_agree_with_the_lab_in_every_arithmetic():
    for name in ("omd.thm2.mle", "M1", "A0", "equivalence.dimension", "classics.line.monotone"):
        claim = find(name)
        values = claim.draw(0, 3)
        found, sides = outcome(claim, values), compared(claim, values)
        gap = sides["rhs"] - sides["lhs"]
        expected = gap if sides["relation"] == "<=" else -abs(gap)
        assert expected == pytest.approx(found.slack, abs=1e-12)


def test_tables_show_the_model_its_errors_and_both_solutions(board):
    board.open("omd.thm2.mle.signed")
    _, values = board.witnesses["certificate"]
    drawn = {table["name"]: table for table in tables(board.claim, values)}
    floats = {name: np.asarray(value, dtype=float) for name, value in values.items()}
    S, A = floats["r"].shape
    np.testing.assert_array_equal(drawn["P"]["values"].reshape(S, A, S), floats["P"])
    difference = drawn["P_hat \N{MINUS SIGN} P"]["values"].reshape(S, A, S)
    np.testing.assert_array_equal(difference, floats["P_hat"] - floats["P"])
    assert drawn["gamma"]["exact"] == ["1/3"] and drawn["P"]["rows"][1] == "s0 a1"
    exact = {hat: solve(make_mdp(floats["P" + hat], floats["r" + hat], gamma=1 / 3)).Q for hat in ("", "_hat")}
    np.testing.assert_allclose(drawn["Q*"]["values"], exact[""], atol=1e-12)
    np.testing.assert_allclose(drawn["Q*_hat"]["values"], exact["_hat"], atol=1e-12)
    assert board.instance["sides"]["lhs"] == pytest.approx(abs(exact[""] - exact["_hat"]).max(), abs=1e-12)


def test_links_lead_from_the_printed_form_to_the_corrected_one_and_back(board):
    board.open("maac.thm41.printed")
    corrected = board.scene()["open"]["corrected"]
    assert corrected == "maac.thm41.sharp"
    board.open(corrected)
    assert "maac.thm41.printed" in board.scene()["open"]["printed"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda board: board.open("omd.thm2.mlee"), "no claim on the board is called 'omd.thm2.mlee'.*omd.thm2.mle"),
        (lambda board: board.assume("rewards", False), "no hypothesis 'rewards'"),
        (lambda board: board.look("worst.of.all"), "there is no instance 'worst.of.all'"),
        (lambda board: board.set(n=5), "n = 5, expected a number from 10 to 10000"),
        (lambda board: board.set(paper="nature"), "paper = 'nature', expected one of"),
        (lambda board: board.do("stop"), "Stop isn't possible: nothing is running"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(board, call, message):
    before = board.state()
    with pytest.raises(ValueError, match=message):
        call(board)
    assert board.state() == before


# Runs


def test_check_in_moments_gives_the_verdict_of_check(board):
    board.open("vagram.pinsker.printed")
    board.set(n=150, seed=4)
    scenes = run(board, "check")
    assert len(scenes) > 2 and scenes[-2]["doing"] == "certifying in exact numbers" and scenes[-2]["slow"]
    assert sorted(scene["tested"] for scene in scenes) == [scene["tested"] for scene in scenes]
    label, verdict = board.results[board.claim.name][0]
    expected = lab.check(board.claim, n=150, seed=4)[0]
    assert label == "check, 150 instances, seed 4"
    assert (verdict.n, verdict.violations, verdict.max_ratio) == (150, expected.violations, expected.max_ratio)
    assert scenes[-1]["violations"] == expected.violations == scenes[-1]["histogram"][1].sum()
    assert scenes[-1]["histogram"].sum() + scenes[-1]["without_ratio"] == 150
    assert board.looked == "check.worst" and board.instance["sides"]["lhs"] > board.instance["sides"]["rhs"]


def test_attack_in_moments_gives_the_verdict_of_attack(mine):
    scenes = run(mine, "attack")
    expected = lab.attack(small_sum)
    verdict = mine.results["mine.sum"][0][1]
    assert (verdict.n, verdict.violations, verdict.max_ratio) == (32, expected.violations, expected.max_ratio)
    done = [scene["doing"] for scene in scenes]
    assert list(dict.fromkeys(done)) == ["drawing instances", "compiling the gradient", "climbing", "judging", SIMPLE]
    assert scenes[done.index("compiling the gradient")]["slow"]
    curve = scenes[-1]["curve"]
    assert len(curve) == CHUNKS and (np.diff(curve) >= 0).all() and curve[-1] == pytest.approx(4 / 3, abs=1e-3)
    assert [scene["share"] for scene in scenes] == sorted(scene["share"] for scene in scenes)


def test_a_moment_is_short(mine):
    mine.n = 10_000
    mine.do("check")
    mine.do("advance")
    assert mine.working and 0 < mine.live.tested < 10_000


def test_dropped_hypothesis_is_named_and_leaves_the_kept_verdict_alone(board):
    board.set(n=300)
    board.do("assume", hypothesis="rewards in [0, r_max]", on=False)
    run(board, "check")
    (told,) = board.scene()["open"]["results"]
    assert told["violations"] > 0 and told["outside"] == ["rewards in [0, r_max]"]
    assert board.status(board.claim) == HOLDS_ON_ALL
    board.assume("rewards in [0, r_max]", True)
    assert board.dropped == ()


def test_stopped_run_gives_no_verdict(board):
    board.set(n=10_000)
    board.do("check")
    board.do("advance")
    assert "check" in board.disabled()
    board.do("stop")
    assert not board.working and board.scene()["run"]["stopped"] and board.results == {}
    board.do("advance")  # one that was under way
    assert board.results == {}


def test_another_claim_ends_the_run(board):
    board.do("check")
    board.open("O8")
    assert not board.working and board.scene()["run"] is None


def test_what_holds_is_never_counted_above_1():
    live = Live(small_sum, "check", 0, 10)
    live._checked(Outcome(HOLDS, 0.0, 1 + 1e-9, 1e-8, "float"))
    live._checked(Outcome(VIOLATED, -1.0, 1.01, 0.0, "rational"))
    assert live.histogram[0, UNIT - 1] == 1 and live.histogram[1, UNIT] == 1
    assert (place(-3.0), place(0.0), place(0.999), place(10.1), place(1e9)) == (0, 0, UNIT - 1, UNIT + 10, UNIT + 19)


# Certificates, state, files


def test_certificate_is_computed_anew_and_downloaded(board, tmp_path):
    board.open("maac.thm41.printed")
    board.do("verify")
    assert 0 < board.scene()["certificate"]["verified"] < 5
    download = board.do("export_certificate")
    assert download.name == "maac.thm41.printed.json"
    file = tmp_path / download.name
    file.write_bytes(download.content)
    assert lab.recheck(file).kind == "violated"


def test_certificate_that_lies_is_refused(mine):
    text = mine.certificate
    mine.known = {"mine.sum": dataclasses.replace(mine.known["mine.sum"], certificate=text.replace("2", "3"))}
    with pytest.raises(ValueError, match="line"):
        mine.do("verify")
    assert mine.verified is None


def test_own_claims_are_verified_as_well(mine):
    mine.do("verify")
    assert mine.verified > 0 and mine.spec()["presets"] == {} and len(mine.spec()["claims"]) == 1


def test_state_comes_back(board):
    board.set(n=50, seed=7, paper="omd", show="sharp")
    board.search("theorem")
    board.open("O6")
    board.assume("rewards in [0, r_max]", False)
    state = board.state()
    board.preset("control")
    assert board.claim.name == "classics.return.quasi_concave" and board.n != 50 and board.query == ""
    board.restore(state)
    assert board.state() == state
    board.reset()
    assert board.claim.name == "classics.return.quasi_concave" and board.paper == "all"


def test_figure_and_its_file(board, tmp_path):
    board.open("maac.thm41.printed")
    assert isinstance(board.figure(), Figure)
    assert board.save_figure(tmp_path / "board.png").stat().st_size > 20_000


def test_first_scene_evaluates_no_claim_and_loads_no_jax():
    code = (
        "import sys; from tabular.widgets.theorems.explorer import TheoremBoard; TheoremBoard().scene(); "
        "assert 'jax' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# Presets


def test_every_preset_opens_a_claim_with_an_instance(board):
    for name, preset in board.presets.items():
        board.preset(name)
        assert board.claim.name == preset.state["claim"] and board.instance is not None


def test_preset_hypothesis_breaks_only_without_it(board):
    board.preset("hypothesis")
    claim = board.claim.without("rewards in [0, r_max]")
    assert lab.check(board.claim, n=300)[0].violations == 0
    assert lab.check(claim, n=300)[0].violations > 0
    assert 1.9 < ROWS["omd.thm2.mle.signed"].max_ratio < 2


def test_preset_printed_is_two_states_at_one_half(board):
    board.preset("printed")
    _, values = board.witnesses["certificate"]
    assert values["gamma"] == Fraction(1, 2) and values["P"].shape[0] == 2
    assert board.instance["sides"]["exact"] == ["8/3", "2"] and board.claim.corrected


def test_preset_tight_is_attained(board):
    board.preset("tight")
    sides = board.instance["sides"]
    assert sides["exact"][0] == sides["exact"][1] and board.witnesses["certificate"][0] == "Certified: attained"
    assert lab.check(board.claim, n=100)[0].max_ratio < 1 and ROWS[board.claim.name].max_ratio == 1


def test_preset_pinsker_is_off_by_the_root_of_2(board):
    board.preset("pinsker")
    verdict = lab.check(board.claim, n=500)[0]
    assert 0.4 < verdict.violations / 500 < 0.6
    assert 1.414 < verdict.max_ratio < 2**0.5 and ROWS[board.claim.name].max_ratio < 2**0.5


def test_preset_attack_needs_an_attack(board):
    board.preset("attack")
    kept = ROWS[board.claim.name]
    assert (kept.instances, kept.violations) == (1000, 0) and kept.starts_that_violate > 0 and kept.max_ratio > 70
    assert lab.check(board.claim, n=50)[0].violations == 0


def test_preset_control_mixes_two_good_policies_to_a_worse_one(board):
    board.preset("control")
    _, values = board.witnesses["certificate"]
    P, r, gamma = (np.asarray(values[name], dtype=float) for name in ("P", "r", "gamma"))
    mdp, returns = make_mdp(P, r, gamma=float(gamma), rho=np.asarray(values["rho"], dtype=float)), []
    pi, other = (np.asarray(values[name], dtype=float) for name in ("pi", "other"))
    for policy in (pi, other, (pi + other) / 2):
        returns.append(solve_policy(mdp, policy))
    assert returns[2] < min(returns[:2]) and board.claim.control
    np.testing.assert_allclose(board.instance["sides"]["lhs"], min(returns[:2]))


def solve_policy(mdp, pi):
    """Return of a policy by plain linear algebra."""
    chain, reward = np.einsum("sa,sat->st", pi, mdp.P), (pi * mdp.r).sum(1)
    return mdp.rho @ np.linalg.solve(np.eye(mdp.S) - mdp.gamma * chain, reward)


def test_scene_holds_nothing_that_json_refuses(board):
    run(board, "check")
    from tabular.widgets.front import packed

    def plainly(value):
        if isinstance(value, dict):
            return {name: plainly(part) for name, part in value.items() if name != "data"}
        return [plainly(part) for part in value] if isinstance(value, list) else value

    json.dumps(plainly(packed(board.scene())), allow_nan=False)
