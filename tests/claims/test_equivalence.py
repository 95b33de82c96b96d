"""Claims on value equivalence: true of random instances that aren't trivial, false where they are stated too widely."""

from __future__ import annotations

import numpy as np
import pytest

from tabular.arithmetic import exact
from tabular.claims import equivalence
from tabular.claims.claim import Claim
from tabular.lab.outcome import HOLDS, VIOLATED, exact_outcome, outcome
from tests.claims.instances import arrays, drawn, name

CLAIMS = [value for value in vars(equivalence).values() if isinstance(value, Claim)]
TRUE = [claim for claim in CLAIMS if not claim.corrected]


@pytest.mark.parametrize("claim", TRUE, ids=name)
def test_true_claims_hold_on_random_instances(claim):
    assert {outcome(claim, values).status for values in drawn(claim, 30)} == {HOLDS}


@pytest.mark.slow
@pytest.mark.parametrize("claim", TRUE, ids=name)
def test_true_claims_hold_on_many_random_instances(claim):
    assert {outcome(claim, values).status for values in drawn(claim, 2000)} == {HOLDS}


@pytest.mark.parametrize("claim", TRUE, ids=name)
def test_true_claims_hold_without_floats(claim):
    assert {exact_outcome(claim, values).status for values in drawn(claim, 5)} == {HOLDS}


def test_linear_span_with_a_learned_reward_fails_on_most_instances_for_certain():
    claim = equivalence.span_linear_learned
    violating = [values for values in drawn(claim, 60) if outcome(claim, values).status == VIOLATED]
    assert len(violating) >= 30
    assert all(exact_outcome(claim, values).status == VIOLATED for values in violating)


def test_linear_span_with_a_learned_reward_fails_at_the_value_zero():
    """One value v = (0, 1) and the model that stays where the truth leaves: r_hat makes up for v, not for 0."""
    instance = {
        "gamma": 0.5,
        "P": [[[1, 0], [1, 0]], [[1, 0], [1, 0]]],
        "r": [[0, 0], [0, 0]],
        "values": [[0, 1]],
        "direction": [[[-1, 1], [0, 0]], [[0, 0], [0, 0]]],
        "weights": [0],
        "pi": [[1, 0], [1, 0]],
    }
    values = {name: np.asarray(value, dtype=float) for name, value in instance.items()}
    found = exact_outcome(equivalence.span_linear_learned, values)
    assert found.status == VIOLATED
    assert found.slack == -0.25  # the model moves to state 1 with probability 1/2, and r_hat = -gamma / 2 there
    assert exact_outcome(equivalence.span_affine, values).status == HOLDS


@pytest.mark.parametrize("model", [equivalence.with_own_reward, equivalence.with_true_reward])
def test_constructed_models_are_other_models(model):
    """Rows are probabilities, exactly, and differ from the true ones wherever those are positive."""
    for values in drawn(equivalence.construction, 20):
        x = equivalence.construction.exact(values)
        kernel = model(x)
        P_hat = kernel[0] if isinstance(kernel, tuple) else kernel
        assert np.all(P_hat >= 0)
        assert np.all(exact.sum(P_hat, axis=-1) == 1)
        positive = np.all(values["P"] > 0, axis=-1)
        assert np.all(np.any(P_hat != x.P, axis=-1)[positive])


def test_identification_sees_a_model_that_has_the_values_of_all_policies_right():
    """r_hat = r + gamma (P - P_hat) v is right at v only: V3 needs all values, and the gap is at the others."""
    draws = drawn(equivalence.construction, 20)
    x = equivalence.construction.floats(next(values for values in draws if np.all(values["P"] > 0)))
    P_hat, r_hat = equivalence.with_own_reward(x)
    values = {"gamma": x.gamma, "P": x.P, "r": x.r, "P_hat": P_hat, "r_hat": r_hat}
    found = outcome(equivalence.identified, {name: np.asarray(value) for name, value in values.items()})
    sides = equivalence.identified.statement(equivalence.identified.floats(values))
    assert found.status == HOLDS
    assert 0 < sides.lhs <= sides.rhs


def test_optimal_planning_is_of_models_with_other_kernels(monkeypatch):
    """The optimal Q is the same although the kernel of the model is another one on most draws."""
    claim = equivalence.optimal_planning
    seen, moved = [], equivalence.moved

    def watched(P, change):
        seen.append((P, moved(P, change)))
        return seen[-1][1]

    monkeypatch.setattr(equivalence, "moved", watched)
    assert {exact_outcome(claim, values).status for values in drawn(claim, 20)} == {HOLDS}
    assert sum(bool(np.any(P != P_hat)) for P, P_hat in seen) >= 15
    assert all(np.all(P_hat >= 0) and np.all(exact.sum(P_hat, axis=-1) == 1) for _, P_hat in seen)


def test_dimension_counts_what_values_leave_free():
    """S = 3: a constant is no condition, one value leaves 1 direction, two leave none; each for 2 actions."""
    cases = {((1, 1, 1),): 2, ((1, 0, 0),): 1, ((1, 0, 0), (0, 1, 0)): 0, ((1, 0, 0), (0, 1, 1)): 1}
    for rows, free in cases.items():
        values = {"gamma": 0.5, "values": rows, "mixtures": [[0.25, 0.75]]}
        x = equivalence.dimension.exact({name: np.asarray(value, dtype=float) for name, value in values.items()})
        sides = equivalence.dimension.statement(x)
        assert (sides.lhs, sides.rhs) == (2 * free, 2 * free)


def test_null_space_is_orthogonal_and_complete():
    rows = exact.asarray(np.array([[1, 1, 1, 1], [0, 1, 2, 3], [1, 2, 3, 4]]))  # the third is the sum of the others
    basis = equivalence.null_space(rows)
    assert equivalence.rank(rows) == 2
    assert basis.shape == (2, 4)
    assert equivalence.rank(basis) == 2
    assert np.all(rows @ basis.T == 0)


def test_approximate_equivalence_is_attained_by_a_constant_reward_error():
    found = exact_outcome(equivalence.approximate, arrays(equivalence.approximate.equality))
    assert (found.status, found.ratio, found.slack) == (HOLDS, 1.0, 0.0)
