"""The Bayes-optimal classifier against its definition: the minimum of the expected cross entropy."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import rel_entr

from tabular.optimism import bayes_classifier, divergence, estimated_divergence, logit_limit, smoothing_for
from tests.optimism.instances import case

P, Q = np.array([[[0.2, 0.8, 0.0]]]), np.array([[[0.5, 0.3, 0.2]]])


@pytest.mark.parametrize(("n_real", "n_model", "eps"), [(1, 1, 0.0), (300, 100, 0.0), (1, 1, 0.1), (2, 7, 0.3)])
def test_bayes_classifier_minimises_the_cross_entropy(n_real, n_model, eps):
    found = bayes_classifier(P, Q, n_real=n_real, n_model=n_model, label_smoothing=eps)
    for p, q, C in zip(P.ravel()[:2], Q.ravel()[:2], found.C.ravel()[:2], strict=True):

        def loss(c, p=p, q=q):
            real, model = n_real * p, n_model * q
            ones, zeros = (1 - eps) * real + eps * model, (1 - eps) * model + eps * real
            return -ones * np.log(c) - zeros * np.log(1 - c)

        best: Any = minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-10})
        assert C == pytest.approx(best.x, abs=1e-7)


def test_logit_is_the_log_ratio_for_equal_numbers_and_shifted_for_others():
    mdp, q, _ = case(1, S=4, A=2)
    p, q = 0.9 * mdp.P + 0.1 / 4, 0.9 * q + 0.1 / 4
    np.testing.assert_allclose(bayes_classifier(p, q).logit, np.log(p / q), atol=1e-12)
    unequal = bayes_classifier(p, q, n_real=300, n_model=100)
    np.testing.assert_allclose(unequal.logit, np.log(p / q) + np.log(3), atol=1e-12)
    np.testing.assert_allclose(unequal.log_ratio, np.log(p / q), atol=1e-12)


def test_estimated_divergence_of_the_perfect_classifier_is_the_divergence():
    mdp, q, _ = case(1, S=4, A=2)
    found = estimated_divergence(q, bayes_classifier(mdp.P, q).log_ratio)
    np.testing.assert_allclose(found, divergence(mdp, q), atol=1e-12)


def test_label_smoothing_bounds_the_logits():
    smooth = bayes_classifier(P, Q, label_smoothing=0.1)
    assert (abs(smooth.logit) <= logit_limit(0.1) + 1e-12).all()
    assert smooth.logit[0, 0, 2] == pytest.approx(-logit_limit(0.1))
    assert np.isneginf(bayes_classifier(P, Q).logit[0, 0, 2])


def test_smoothing_for_has_the_bound_of_the_clip():
    """A logit of 5 is C = .9933; the label .7 that a comment of the published code names, a logit of .847."""
    assert 1 - smoothing_for(5.0) == pytest.approx(0.9933, abs=5e-5)
    assert logit_limit(0.3) == pytest.approx(0.847, abs=5e-4)
    for limit in (0.1, 1.0, 20.0):
        assert logit_limit(smoothing_for(limit)) == pytest.approx(limit, rel=1e-9)


def test_estimated_divergence_with_clipped_logits_stays_below_the_limit():
    rng = np.random.default_rng(0)
    for limit in (0.5, 2.0, 5.0):
        p, q = rng.dirichlet(np.full(4, 0.3), size=(2, 50, 3))
        found = estimated_divergence(q, np.log(p / q), limit=limit)
        assert (found <= limit).all() and (found <= rel_entr(q, p).sum(-1) + np.exp(-limit)).all()


def test_clipped_logits_price_stray_mass_in_proportion_and_clipped_divergence_in_full():
    p, q = np.array([[[1.0, 0.0]]]), np.array([[[0.99, 0.01]]])
    log_ratio = bayes_classifier(p, q).log_ratio
    stray = estimated_divergence(q, log_ratio, limit=5.0)
    assert stray[0, 0] == pytest.approx(0.01 * 5 + 0.99 * np.log(0.99))
    assert np.isinf(estimated_divergence(q, log_ratio)).all()


def test_bayes_classifier_knows_nothing_of_where_nobody_goes():
    assert np.isnan(bayes_classifier(np.array([[[1.0, 0.0]]]), np.array([[[1.0, 0.0]]])).C[0, 0, 1])


def test_classifier_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match="n_real = 0"):
        bayes_classifier(P, Q, n_real=0)
    with pytest.raises(ValueError, match=r"label_smoothing = 0\.5"):
        bayes_classifier(P, Q, label_smoothing=0.5)
    with pytest.raises(ValueError, match="q has shape"):
        bayes_classifier(P, Q[0])
    with pytest.raises(ValueError, match="limit = 0"):
        estimated_divergence(Q, P, limit=0)
    with pytest.raises(ValueError, match="limit = -1"):
        smoothing_for(-1)
    with pytest.raises(ValueError, match="label_smoothing = 0"):
        logit_limit(0)
