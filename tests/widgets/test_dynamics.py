"""The dynamics explorer without a browser: its numbers against the exact theory, its limits, its lessons."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tabular import optimism
from tabular.evaluate import evaluate
from tabular.files import load
from tabular.mdp import make_mdp, one_hot
from tabular.optimism import Loop
from tabular.probability import tilt
from tabular.solve import solve
from tabular.widgets import DynamicsExplorer
from tabular.widgets.dynamics.dream import Price, rounds

ROOT = Path(__file__).parents[2]
MAP = "S..#.\n..#..\n....G"


@pytest.fixture
def explorer():
    return DynamicsExplorer(MAP, gamma=0.9, slip=0.3)


def objective(explorer):
    made = optimism.mnm if explorer.method == "mnm" else optimism.vmbpo
    return optimism.Objective(made(explorer.mdp).reward, explorer.price)


def share(explorer):
    return explorer.agents[1 if explorer.classifier else 2]["share"]


# The dream


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"gamma": 0.6},
        {"slip": 0.8},
        {"price": 0.3},
        {"scale": 7.0},
        {"base": 0.5},
        {"method": "vmbpo", "price": 0.4},
    ],
)
def test_dream_is_the_optimum_of_the_objective(explorer, change):
    explorer.set(**change)
    exact = optimism.optimum(explorer.mdp, objective(explorer))
    np.testing.assert_allclose(explorer.dream.V, exact.V, atol=1e-10)
    np.testing.assert_allclose(explorer.world.whole(explorer.dream.q), exact.q, atol=1e-9)
    KL = optimism.divergence(explorer.mdp, exact.q)
    np.testing.assert_allclose(explorer.KL[explorer.mdp.feasible], KL[explorer.mdp.feasible], atol=1e-9)
    assert explorer.dream.error < 1e-11


def test_warm_start_forgets_nothing(explorer):
    for slip in (0.1, 0.5, 0.3):
        explorer.slip = slip
        explorer.scene()
    explorer.paint([(0, 1)], "#")
    exact = optimism.optimum(explorer.mdp, objective(explorer))
    np.testing.assert_allclose(explorer.dream.V, exact.V, atol=1e-10)


def test_free_dream_takes_the_likeliest_of_ties_whatever_came_before(explorer):
    explorer.set(price=0.95, slip=0.3)
    explorer.scene()
    explorer.set(slip=0.55)
    explorer.set(slip=0.3, classifier=False)
    fresh = DynamicsExplorer(MAP, gamma=0.9, slip=0.3, classifier=False)
    np.testing.assert_array_equal(explorer.dream.action, fresh.dream.action)
    np.testing.assert_array_equal(explorer.dream.q, fresh.dream.q)


def test_free_dream_is_the_best_of_all_worlds(explorer):
    """Every move ends at will among its successors: an MDP with an action for each of them."""
    explorer.classifier = False
    world, S = explorer.world, explorer.mdp.S
    K = world.p.shape[2]
    rows = np.where(world.p > 0, world.index, world.index[..., [0]]).reshape(S, -1)
    first = np.where(world.p > 0, world.index, np.arange(S)[:, None, None]).reshape(S, -1)
    possible = ((world.p > 0) & world.feasible[:, :, None]).reshape(S, -1)
    chosen = np.where(possible, first, rows)
    reward = np.where(possible, np.repeat(explorer.objective_reward, K, axis=1), -np.inf)
    P = np.eye(S)[chosen] * possible[:, :, None]
    exact = solve(make_mdp(P, reward, gamma=explorer.gamma, rho=explorer.mdp.rho))
    np.testing.assert_allclose(explorer.dream.V, exact.V, atol=1e-9)


@pytest.mark.parametrize("limit", [0.1, 0.4, 1.0, 2.0])
def test_limited_answer_is_the_best_of_many(limit):
    random = np.random.default_rng(3)
    for K in (2, 3, 4):
        for _ in range(25):
            p, X = random.dirichlet(np.ones(K)), random.normal(size=K) * random.choice([0.3, 1, 3])
            price = Price(float(random.choice([0.3, 1.0])), limit)
            q = price.answer(p[None, None], X[None, None])[0, 0]
            assert (q >= 0).all() and abs(q.sum() - 1) < 1e-12
            others = random.dirichlet(np.full(K, 0.5), size=3000)
            near = 0.98 * q + 0.02 * random.dirichlet(np.ones(K), size=1000)

            def worth(q, X=X, p=p, price=price):
                return q @ X - price.weight * price.charge(p, q)

            assert worth(np.concatenate([others, near])).max() <= worth(q) + 1e-12


@pytest.mark.parametrize("limit", [0.3, 0.8, 1.5])
def test_limited_answer_between_two_successors_is_that_of_a_scan(limit):
    scan = np.linspace(0, 1, 20_001)
    q = np.column_stack([scan, 1 - scan])
    price = Price(0.7, limit)
    for p in (0.5, 0.4, 0.1):
        p = np.array([p, 1 - p])
        for gain in np.linspace(-3, 3, 25):
            X = np.array([gain, 0.0])
            best = price.answer(p, X)
            worth = float(best @ X - 0.7 * price.charge(p, best))
            found = (q @ X - 0.7 * price.charge(p, q)).max()
            assert found - 1e-12 <= worth <= found + 1e-3


def test_charge_is_what_the_clipped_bayes_classifier_reports(explorer):
    for limit in (0.25, 1.0):
        explorer.limit = limit
        p, q = explorer.world.p, explorer.dream.q
        log_ratio = optimism.bayes_classifier(p, q).log_ratio
        reported = optimism.estimated_divergence(q, log_ratio, limit=limit)
        np.testing.assert_allclose(explorer.dream.charge, reported, atol=1e-12)


def test_limit_beyond_all_log_ratios_changes_nothing(explorer):
    V = explorer.dream.V.copy()
    explorer.limit = 9.5
    np.testing.assert_allclose(explorer.dream.V, V, atol=1e-10)


def test_rounds_are_those_of_the_published_loop(explorer):
    price = Price(1.0)

    def respond(p, V):
        return tilt(p, explorer.gamma * V)

    loop = Loop(optimism.mnm(explorer.mdp), respond=respond)
    published = list(optimism.rounds(explorer.mdp, loop))
    ours = list(rounds(explorer.world, explorer.objective_reward, price))
    for old, new in list(zip(published, ours, strict=False))[:8]:
        np.testing.assert_allclose(explorer.world.whole(new.q), old.q, atol=1e-9)
        np.testing.assert_allclose(new.pi, old.pi, atol=1e-9)
        np.testing.assert_array_equal(new.action, old.action)


# What it gets


def test_agents_get_what_their_policies_are_worth(explorer):
    best = solve(explorer.mdp)
    for row, found in zip(explorer.agents[1:], (explorer.paying, explorer.free), strict=True):
        J = evaluate(explorer.mdp, found.action).J
        assert row["gets"] == pytest.approx(np.log(J), abs=1e-10)
        assert row["share"] == pytest.approx(J / best.J, abs=1e-10)
        assert row["promise"] == pytest.approx(explorer.mdp.rho @ found.V, abs=1e-12)
    assert explorer.agents[0]["share"] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", list(DynamicsExplorer.presets))
def test_bound_is_never_above_the_truth_in_any_round(name):
    explorer = DynamicsExplorer(preset=name)
    frames = explorer.frames()
    assert len(frames["labels"]) == len(frames["promise"]) == len(frames["V"])
    np.testing.assert_allclose(frames["V"][-1], explorer.dream.V, rtol=1e-6)
    if explorer.is_lower_bound:
        assert (frames["promise"] <= frames["gets"] + 1e-12).all()
        assert (frames["V"] <= frames["truth"] + 1e-5).all()
        q = explorer.world.whole(explorer.dream.q)
        L = evaluate(optimism.in_model(explorer.mdp, optimism.mnm(explorer.mdp), q), explorer.pi).J
        assert L == pytest.approx(frames["promise"][-1], abs=1e-10)


def test_vmbpo_promises_at_least_the_best_return(explorer):
    explorer.method = "vmbpo"
    assert explorer.agents[1]["promise"] >= solve(explorer.mdp).J
    assert not explorer.is_lower_bound


def test_price_below_gamma_is_called_no_bound(explorer):
    explorer.price = 0.9
    assert explorer.is_lower_bound
    explorer.price = 0.85
    assert not explorer.is_lower_bound and "too low" in explorer.scene()["verdict"]


def test_scale_moves_no_arrow_of_mnm_and_adds_its_logarithm(explorer):
    q, V = explorer.dream.q.copy(), explorer.dream.V.copy()
    explorer.scale = 20.0
    np.testing.assert_allclose(explorer.dream.q, q, atol=1e-10)
    np.testing.assert_allclose(explorer.dream.V, V + np.log(20), atol=1e-10)


def test_arrivals_are_powers_of_the_chains(explorer):
    P = explorer.mdp.to_dense().P
    for name, kernel in (("truth", P), ("dream", explorer.world.whole(explorer.dream.q))):
        chain = np.einsum("sa,sat->st", explorer.pi, kernel)
        d = explorer.mdp.rho @ np.linalg.matrix_power(chain, 9)
        assert explorer.arriving[f"{name}_goal"][9] == pytest.approx(d @ explorer.goals, abs=1e-12)


def test_walks_arrive_as_often_as_the_chart_says():
    """400 walks: by Hoeffding their frequency is off by more than 0.12 with probability below 2 exp(-2 400 0.12^2) =
    2e-5; the seed is fixed."""
    explorer = DynamicsExplorer(preset="off")
    over = []
    for _ in range(400):
        explorer.walk()
        walk = explorer.scene()["walk"]
        over.append(walk["truth"]["over"])
        assert walk["dream"]["over"] == "goal"
    assert abs(np.mean([each == "pit" for each in over]) - explorer.arriving["truth_pit"][-1]) < 0.12
    assert explorer.scene()["walk"]["number"] == 400


# Bad input, state, files


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gamma": 0.99}, "gamma = 0.99, expected a number from 0.5 to 0.98"),
        ({"price": 0}, "price = 0, expected a number from 0.05"),
        ({"base": 0}, "base = 0, expected a number from 0.001"),
        ({"method": "vmpbo"}, "Did you mean"),
    ],
)
def test_values_beyond_their_range_are_refused(explorer, change, says):
    with pytest.raises(ValueError, match=says):
        explorer.set(**change)


def test_negative_reward_is_refused_and_nothing_changes(explorer):
    before = explorer.scene()["V"].copy()
    with pytest.raises(ValueError, match=r"cell \(0, 1\) would pay -0.5.*logarithm"):
        explorer.do("reward", row=0, column=1, reward=-0.5)
    with pytest.raises(ValueError, match="would have 31 x 5 cells, expected at most 30"):
        explorer.do("resize", rows=31, columns=5)
    with pytest.raises(ValueError, match="is a goal, a wall can't stand on it"):
        explorer.do("toggle", row=2, column=4, kind="#")
    np.testing.assert_array_equal(explorer.scene()["V"], before)


def test_price_is_out_of_reach_without_the_classifier(explorer):
    explorer.classifier = False
    with pytest.raises(ValueError, match="price can't be changed now: without the classifier"):
        explorer.price = 0.5
    explorer.preset("clip")
    assert explorer.classifier and explorer.limit == 0.25


def test_state_and_restore_are_inverse(explorer):
    explorer.paint([(2, 0)], "#")
    explorer.set(classifier=False, slip=0.5)
    state, V = explorer.state(), explorer.dream.V.copy()
    explorer.preset("scale")
    explorer.restore(state)
    np.testing.assert_allclose(explorer.dream.V, V, atol=1e-10)
    explorer.reset()
    assert (explorer.preset_name, explorer.method, explorer.drawing.shape) == ("scale", "vmbpo", (5, 11))
    assert DynamicsExplorer(MAP, slip=0.3).drawing.text == MAP


def test_exported_archives_hold_truth_and_dream(explorer, tmp_path):
    kept = {}
    for name in ("export_mdp", "export_dream"):
        download = explorer.do(name)
        (tmp_path / download.name).write_bytes(download.content)
        kept[name] = load(tmp_path / download.name)
    np.testing.assert_array_equal(kept["export_mdp"].P, explorer.mdp.P)
    np.testing.assert_allclose(kept["export_dream"].P, explorer.world.whole(explorer.dream.q), atol=1e-15)
    np.testing.assert_array_equal(kept["export_dream"].r, explorer.mdp.r)


@pytest.mark.parametrize("shade", ["price", "promise", "truth", "gap"])
def test_figure_draws_the_shade(explorer, shade):
    explorer.set(shade=shade, move="left" if shade == "price" else "policy")
    figure = explorer.figure()
    assert isinstance(figure, Figure)
    drawn = np.ma.asarray(figure.axes[0].images[0].get_array()).compressed()
    assert np.isin(np.round(drawn, 12), np.round(explorer.shades[shade], 12)).all() and len(drawn) > 5
    assert explorer.do("export_figure").content.startswith(b"\x89PNG")


def test_shade_of_a_chosen_move_is_its_divergence(explorer):
    explorer.move = "down"
    KL = optimism.divergence(explorer.mdp, explorer.world.whole(explorer.dream.q))[:, 2]
    np.testing.assert_allclose(explorer.shades["price"], KL, atol=1e-9)


def test_first_picture_loads_neither_jax_nor_plotting():
    program = """import sys; from tabular.widgets import DynamicsExplorer as D; e = D(); e.scene(); e.frames()
print([name for name in ("anywidget", "ipywidgets", "matplotlib", "jax", "gymnasium") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Lessons: what the presets' texts say is so


def crosses(explorer):
    """Whether the policy steps onto the bridge from the start."""
    s = explorer.mdp.grid.state(3, 0)
    right = 1
    return explorer.dream.action[s] == right


def test_preset_first_dreams_towards_higher_values():
    explorer = DynamicsExplorer(preset="first")
    V = explorer.dream.V[explorer.world.index]
    gain = (explorer.dream.q * V).sum(-1) - (explorer.world.p * V).sum(-1)
    assert (gain >= -1e-12).all() and gain.max() > 0.1
    frames = explorer.frames()
    assert (frames["promise"] < frames["gets"]).all()


def test_preset_bridge_goes_round_until_the_slip_is_small():
    explorer = DynamicsExplorer(preset="bridge")
    assert explorer.mdp.grid.goals == {(3, 10)} and explorer.ends.sum() == 15
    assert not crosses(explorer) and share(explorer) == pytest.approx(1.0, abs=1e-9)
    explorer.slip = 0.2
    assert crosses(explorer) and round(share(explorer), 2) == 0.62
    assert explorer.scene()["spent"] == pytest.approx(0.71, abs=0.005)


def test_preset_off_promises_and_falls():
    explorer = DynamicsExplorer(preset="off")
    row = explorer.agents[2]
    assert crosses(explorer)
    assert (round(row["promise"], 2), round(row["gets"], 2)) == (-0.70, -1.22)
    assert round(explorer.arriving["truth_pit"][-1], 2) == 0.92
    assert explorer.arriving["dream_goal"][-1] == pytest.approx(1.0)
    explorer.classifier = True
    assert not crosses(explorer)


def test_preset_clip_pushes_against_the_border_and_promises_too_much():
    explorer = DynamicsExplorer(preset="clip")
    row = explorer.agents[1]
    assert row["promise"] > row["gets"]
    up = 0
    assert (explorer.dream.action[[explorer.mdp.grid.state(0, column) for column in (1, 2, 3)]] == up).all()
    honest = DynamicsExplorer(preset="bridge").dream.V
    explorer.limit = 0.75
    assert share(explorer) == pytest.approx(1.0, abs=1e-9)
    start = explorer.mdp.grid.state(3, 0)
    assert explorer.dream.V[start] == pytest.approx(honest[start], abs=1e-9)
    explorer.limit = 0.5
    assert share(explorer) < 0.5


def test_preset_scale_crosses_for_larger_rewards():
    explorer = DynamicsExplorer(preset="scale")
    assert not crosses(explorer)
    explorer.scale = 1.0
    assert crosses(explorer) and round(share(explorer), 2) == 0.30


def test_preset_certain_has_nothing_to_dream():
    explorer = DynamicsExplorer(preset="certain")
    assert abs(explorer.KL).max() == 0
    assert [round(row["share"], 9) for row in explorer.agents] == [1, 1, 1]
    assert explorer.agents[1]["promise"] < explorer.agents[1]["gets"] - 1
    assert crosses(explorer)


@pytest.mark.parametrize("name", list(DynamicsExplorer.presets))
def test_presets_are_complete(name):
    preset = DynamicsExplorer.presets[name]
    assert preset.title and preset.teaches.endswith(".") and preset.task
    pi = one_hot(DynamicsExplorer(preset=name).dream.action, 4)
    assert pi.sum(1).all()
