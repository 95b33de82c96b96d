"""The appendix figure of Nikishin et al. 2021 on disturbed implicit gradients.

The reference holds the even indices of sigma. Fits with sigma between 0.02 and 0.2 are chaotic (a change of 1e-13 in Q
moves a mean over ten seeds by up to 0.1), hence the tolerances.
"""

import json
from functools import cache, partial
from pathlib import Path

import jax
import numpy as np
import pytest

from tabular.device import exact, identity, to_device
from tabular.models import pinned_bits, random_start, seed_key, softmax_table
from tabular.objectives import omd
from tabular.studies import omd_noise as study
from tabular.studies.record import Record, spread, versions
from tabular.worlds.papers import two_state

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())["omd_ift_noise"]
OPTIMUM = 1.0272727273


def tolerance(sigma: float) -> float:
    return 2e-3 if sigma < 0.0123 else 0.02 if sigma < 0.02 else 0.15


@pytest.mark.parametrize(("sigma", "noisy", "clean"), [(10, 1.02068, 1.02593), (28, -0.09115, 0.32105)])
def test_identity_has_the_published_returns(sigma, noisy, clean):
    """One small and one large sigma, by index. At the large one the last noise alone decides: its bits are right."""
    how = {"seeds": range(1, 11), "steps": 10_000, "tol": 0.0, "pair": "authors"}
    (fit,) = study._fits(identity, how, study.SIGMAS[[sigma]], "solved", lambda: None)
    J = {way: study._measured(fit, study.SIGMAS[sigma], way)["J"].mean() for way in ("noisy", "clean")}
    allowed = tolerance(study.SIGMAS[sigma])
    assert J["noisy"] == pytest.approx(noisy, abs=allowed if sigma < 20 else 2e-3)
    assert J["clean"] == pytest.approx(clean, abs=allowed)


@pytest.mark.parametrize("jacobian", study.PLACES)
def test_noisy_bellman_without_noise_is_omd(jacobian):
    true, table = to_device(two_state()), softmax_table()
    with pinned_bits():
        theta, start = table.init(true, seed_key(3)), random_start(true, seed_key(3)).Q
        noisy = study.NoisyBellman(study.ALPHA, 0.0, exact, jacobian)
        assert np.asarray(noisy.init(true, seed_key(70_003))[1]) == 70_003

        @partial(jax.jit, static_argnums=0)
        def run(objective, state):
            return jax.value_and_grad(lambda theta: objective.loss(true, table.mdp(true, theta), state, 0)[0])(theta)

        plain, disturbed = run(omd(study.ALPHA, loss="bellman"), start), run(noisy, (start, 3))
    for ours, theirs in zip(jax.tree.leaves(disturbed), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


# the complete study


@cache
def record(seeds: range = range(1, 11)) -> Record:
    return study.ift(seeds=seeds)


@pytest.mark.slow
@pytest.mark.parametrize("inverse", study.INVERSES)
@pytest.mark.parametrize(("evaluation", "name"), [("noisy", "J"), ("clean", "Jclean")])
def test_ift_has_the_published_returns(inverse, evaluation, name):
    mean = record().column("mean", inverse=inverse, evaluation=evaluation, quantity="J")
    off = abs(mean[::2] - REFERENCE[f"{inverse}_{name}_seeds1to10"]["mean"])
    assert (off <= [tolerance(sigma) for sigma in study.SIGMAS[::2]]).all()


@pytest.mark.slow
@pytest.mark.parametrize("inverse", study.INVERSES)
@pytest.mark.parametrize(("evaluation", "name"), [("noisy", "J"), ("clean", "Jclean")])
def test_ift_has_the_returns_of_thirty_other_seeds(inverse, evaluation, name):
    """Were our chaotic fits independent of the reference's, with the same law of each mean (normal, by its sd over 30
    seeds), a difference above 4.5 standard errors would come up in one of the 60 comparisons with probability 4e-4."""
    known = {key: np.array(values) for key, values in REFERENCE[f"{inverse}_{name}_seeds11to40"].items()}
    mean = record(range(11, 41)).column("mean", inverse=inverse, evaluation=evaluation, quantity="J")[::2]
    assert (abs(mean - known["mean"]) <= 2e-3 + 4.5 * known["std"] * np.sqrt(2 / 30)).all()


@pytest.mark.slow
def test_ift_jacobian_at_the_noisy_q_is_another_experiment():
    """Far from the published numbers where the large noise decides which model is learned: by 0.3 at sigma = 2.4."""
    how = {"seeds": range(1, 11), "steps": 10_000, "tol": 0.0, "pair": "authors"}
    J = {}
    for place in study.PLACES:
        (fit,) = study._fits(exact, how, study.SIGMAS[[28]], place, lambda: None)
        J[place] = study._measured(fit, study.SIGMAS[28], "noisy")["J"].mean()
    published = REFERENCE["inverse_J_seeds1to10"]["mean"][14]
    assert J["solved"] == pytest.approx(published, abs=0.01) and abs(J["noisy"] - published) > 0.15


# the picture


def drawn(quick: bool) -> Record:
    rows = [
        {
            "inverse": inverse,
            "evaluation": evaluation,
            "sigma": float(sigma),
            "quantity": "J",
            **spread([np.exp(-sigma) + i, 0.9]),
        }
        for i, inverse in enumerate(study.INVERSES)
        for evaluation in ("noisy", "clean")
        for sigma in study.SIGMAS
    ]
    return Record("omd-ift", tuple(rows), {"optimal_return": OPTIMUM}, (1, 2), quick, 1.0, versions())


def test_draw_ift_shows_the_rows_on_a_logarithmic_axis():
    left, right = study.draw_ift(drawn(quick=False)).axes
    assert left.get_xscale() == right.get_xscale() == "log"
    for ax, evaluation in ((left, "noisy"), (right, "clean")):
        shown = drawn(False).column("mean", inverse="identity", evaluation=evaluation)
        np.testing.assert_array_equal(ax.lines[1].get_ydata(), shown)
    assert "QUICK" in study.draw_ift(drawn(quick=True)).get_suptitle()


def test_ift_refuses_another_jacobian():
    with pytest.raises(ValueError, match="jacobian = 'both', expected 'solved' or 'noisy'"):
        study.ift(jacobian="both")
