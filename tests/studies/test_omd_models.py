"""Figure 3 of Nikishin et al. 2021: learned models that plan like the true MDP."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.studies import omd_models as study
from tabular.studies.record import Record
from tabular.worlds.papers import two_state

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())["omd_fig3"]


@cache
def record(quick: bool) -> Record:
    return study.fig3(quick=quick)


def learned(quick: bool, seed: int):
    return study._from_rows(record(quick), str(seed))


def check(quick: bool) -> None:
    """Equal values and other models: what the figure says."""

    def values(quantity):
        return record(quick).column("value", quantity=quantity)

    assert (values("q_error") < 5e-8).all() and (values("bellman_mse") < 5e-15).all()
    assert (values("reward_residual") < 5e-7).all()
    np.testing.assert_allclose(values("J"), soft_solve(two_state(), study.ALPHA).J, atol=1e-7)
    assert ((values("transition_error") > 0.59) & (values("transition_error") < 1.9801)).all()
    assert ((values("reward_error") > 0.46) & (values("reward_error") < 1.54)).all()
    assert ((values("mle_loss") > 3) & (values("mle_loss") < 40)).all()


def test_fig3_models_have_the_values_of_the_truth_and_are_others():
    check(quick=True)


def test_fig3_models_are_those_of_an_independent_implementation():
    """Where both ended long before the cap, on the same random bits."""
    for seed in (9, 11):
        at = REFERENCE["seeds"].index(seed)
        model, _ = learned(True, seed)
        np.testing.assert_allclose(model.to_dense().P.transpose(1, 0, 2), REFERENCE["P"][at], atol=1e-4)
        np.testing.assert_allclose(model.r, REFERENCE["R"][at], atol=1e-4)
        assert record(True).column("value", seed=seed, quantity="iterations") == pytest.approx(
            REFERENCE["iters"][at], rel=0.02
        )


def test_fig3_models_solved_by_the_host_engine_have_the_true_values():
    for seed in record(True).seeds:
        Q = soft_solve(learned(True, seed)[0], study.ALPHA).Q
        np.testing.assert_allclose(Q, soft_solve(two_state(), study.ALPHA).Q, atol=1e-7)


def test_fig3_rewards_are_forced_by_the_successors():
    """r_hat = Q* - gamma V*(s') by hand, for the deterministic model of seed 9: a0 leaves s0 and s1, a1 leads to s0."""
    Q = soft_solve(two_state(), study.ALPHA).Q
    V = study.ALPHA * np.log(np.exp((Q - Q.max(1, keepdims=True)) / study.ALPHA).sum(1)) + Q.max(1)
    model, _ = learned(True, 9)
    successor = model.to_dense().P.argmax(-1)
    np.testing.assert_array_equal(successor, [[1, 0], [0, 0]])
    np.testing.assert_allclose(model.r, Q - 0.9 * V[successor], atol=1e-6)
    assert model.r[0, 0] == pytest.approx(-1.53818, abs=1e-5)


@pytest.mark.slow
def test_fig3_holds_for_all_twenty_seeds():
    check(quick=False)
    iterations = record(False).column("value", quantity="iterations")
    assert len(iterations) == 20 and (iterations < study.STEPS).all()
    assert (iterations < study.PUBLISHED_STEPS).sum() >= 19 and 400 < iterations.min() < 600
    assert (record(False).column("value", quantity="least_top") > 0.99).sum() >= 19
    worse = record(False).column("value", quantity="mle_loss") > record(False).column(
        "value", quantity="mle_loss_at_start"
    )
    assert worse.any() and not worse.all()


def test_draw_fig3_shows_the_true_and_the_learned_mdp():
    figure = study.draw_fig3(record(True))
    left, right = figure.axes
    assert left.get_title() == "The true MDP" and right.get_title().endswith("(seed 9)")
    texts = {text.get_text() for text in right.texts}
    Q = solve(two_state()).Q
    assert any(text.startswith("(a0, \N{MINUS SIGN}1.54, 1,") and f"{Q[0, 0]:.3g}" in text for text in texts)
    assert "QUICK" in figure.get_suptitle()


def test_fig3_table_has_the_models():
    rows = record(True).tables["models"]
    assert len(rows) == 8 * (1 + len(record(True).seeds))
    model, Q = study._from_rows(record(True), study.TRUE)
    np.testing.assert_array_equal(model.to_dense().P, two_state().to_dense().P)
    np.testing.assert_allclose(Q, soft_solve(two_state(), study.ALPHA).Q)


def test_fig3_refuses_an_unknown_seed():
    with pytest.raises(ValueError, match="shown = 99, expected a seed of 1 to 20"):
        study.fig3(shown=99)
