"""The best of the model classes of Figure 2 against an independent convex solver and closed forms."""

import json
from pathlib import Path

import numpy as np
import pytest

from tabular.soft import soft_solve
from tabular.studies.omd import ALPHA
from tabular.studies.omd_optimum import certificate, exact_mle
from tabular.worlds.papers import two_state

SWEEPS = json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())["omd_fig2_fig4_sweeps"]
OPTIMUM = 1.0272727273


def test_exact_mle_has_the_loss_and_return_of_an_independent_solver():
    for kappa, loss, J in zip(
        SWEEPS["kappa"], *(SWEEPS["exact_mle_paper"][name] for name in ("loss", "J")), strict=True
    ):
        found = exact_mle(kappa)
        assert found.loss == pytest.approx(loss, abs=3e-6) and found.J == pytest.approx(J, abs=3e-6)
        assert found.norm <= kappa + 1e-6


def test_exact_mle_plans_wrongly_until_the_norm_is_nearly_that_of_the_truth():
    for kappa, J in {1.0: 0.2249, 2.2: 0.2250, 2.842: 0.7479, 4.7: 1.0272}.items():
        assert exact_mle(kappa).J == pytest.approx(J, abs=2e-4)


def test_exact_mle_is_the_true_model_from_its_norm_on():
    """The smallest logits of the true rows are +-log(p / (1 - p)) / 2."""
    true = two_state().to_dense()
    logits = np.log(true.P) - np.log(true.P).mean(-1, keepdims=True)
    norm = np.sqrt((logits**2).sum() + (true.r**2).sum())
    assert norm == pytest.approx(4.81, abs=0.01)
    found = exact_mle(6.0)
    assert found.loss == pytest.approx(0, abs=1e-10) and found.norm == pytest.approx(norm, abs=1e-4)
    assert exact_mle(norm - 0.05).loss > 1e-6


def test_exact_mle_is_stationary_on_the_ball():
    """At the optimum the gradient points along the parameters: no feasible direction goes down."""
    found, true = exact_mle(2.0), two_state().to_dense()
    slopes = np.concatenate([(found.model.to_dense().P - true.P).ravel(), 2 * (found.r_hat - true.r).ravel()]) / 4
    x = np.concatenate([found.logits.ravel(), found.r_hat.ravel()])
    assert -slopes @ x == pytest.approx(np.linalg.norm(slopes) * np.linalg.norm(x), rel=1e-4)


def test_exact_mle_within_the_authors_norms_is_optimal_long_before_their_curve():
    """J is at the optimum at kappa = 0.316, and their curve below -0.7 at 0.63: that is the optimiser's doing."""
    found = exact_mle(0.316, "authors")
    first = np.sum(found.logits[:, 0] ** 2) + np.sum((ALPHA * found.logits[:, 1]) ** 2)
    second = np.sum((found.r_hat[0] / ALPHA) ** 2) + np.sum(found.r_hat[1] ** 2)
    assert max(first, second) <= 0.316**2 * (1 + 1e-6)
    assert found.J == pytest.approx(1.0272, abs=1e-4)
    assert SWEEPS["authors/mle"]["J"]["mean10"][1] < -0.7  # at kappa = 0.63


def test_certificate_is_nearly_optimal_at_a_tenth():
    found = certificate(0.1)
    assert found.norm == pytest.approx(0.1, rel=1e-12)
    gap = soft_solve(found.model, ALPHA).Q @ [1, -1]
    np.testing.assert_allclose(gap, 0.1, atol=1e-10)
    assert found.J > 1.0269
    assert certificate(0.3).J == pytest.approx(OPTIMUM, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact_mle(1.0, "none"), "projection = 'none', expected 'paper_scaled' or 'authors'"),
        (lambda: exact_mle(-1.0), "kappa = -1.0, expected a norm bound of 0 or more"),
    ],
)
def test_exact_mle_refuses_with_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
