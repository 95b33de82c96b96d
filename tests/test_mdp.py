"""Construction of MDPs: what is refused and how it is said, what is left alone, and that both storages agree."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tabular.geometry import Grid
from tabular.mdp import MDP, SparseMDP, make_mdp, one_hot, policy_matrix, suited, with_changes

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.25, 0.75]]])
r = np.array([[1.0, 2.0], [3.0, 4.0]])


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


def rows(P):
    """Sparse form, rows `s * A + a`."""
    S, A, _ = P.shape
    return sp.csr_matrix(P.reshape(S * A, S))


def random_arrays(seed, S=6, A=3, infeasible=0.0, terminating=False):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(S, 0.3), size=(S, A))
    if terminating:
        P *= rng.choice([0.5, 1.0], size=(S, A, 1))
    r = rng.normal(size=(S, A))
    r[:, 1:][rng.random((S, A - 1)) < infeasible] = -np.inf
    return P, r


# what is refused

BAD_ARRAYS = [
    (changed(P, (0, 0, 0), 0.48), r, ValueError, r"P\[0, 0\] sums to 0.98, not 1 \(tolerance 1e-08\); 1 of 4 rows"),
    (P * 2, r, ValueError, r"P\[0, 0\] sums to 2, not 1 .* 4 of 4 rows are wrong. Divide by P.sum"),
    (changed(P, (1, 1), [-0.25, 1.25]), r, ValueError, r"P\[1.*, 0\] = -0.25, expected a probability"),
    (changed(P, (0, 1, 1), np.nan), r, ValueError, r"P\[0.*, 1\] = nan, expected a probability"),
    (changed(P, (0, 1, 1), np.inf), r, ValueError, r"P\[0.*, 1\] = inf, expected a probability"),
    (P, changed(r, (1, 0), np.nan), ValueError, r"r\[1, 0\] = nan, expected a finite reward, or -inf"),
    (P, changed(r, (1, 0), np.inf), ValueError, r"r\[1, 0\] = inf, expected a finite reward"),
    (P, changed(r, 1, -np.inf), ValueError, r"state 1 has no feasible action .* 1 of 2 states"),
    (P.astype(np.float32), r, TypeError, "P is float32; exact work needs float64"),
    (P, r.astype(np.float32), TypeError, "r is float32; exact work needs float64"),
    (P + 0j, r, TypeError, "P is complex"),
    (P, r + 0j, TypeError, "r is complex"),
]


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize(("P", "r", "error", "message"), BAD_ARRAYS)
def test_make_mdp_refuses_bad_arrays(P, r, error, message, storage):
    with pytest.raises(error, match=message):
        make_mdp(P if storage == "dense" else rows(P), r, gamma=0.9)


@pytest.mark.parametrize(
    ("P", "r", "message"),
    [
        (P[:, :, :1], r, r"P has shape \(2, 2, 1\), expected \(S, A, S\) = \(2, 2, 2\)"),
        (np.ones((3, 2, 2)) / 2, np.ones((2, 3)), r"P has shape \(3, 2, 2\), .* P.transpose\(1, 0, 2\)"),
        (P[0], r, r"P has shape \(2, 2\)"),
        (rows(P)[:3], r, r"P is sparse with shape \(3, 2\), expected \(S \* A, S\) = \(4, 2\)"),
        (P, r[0], r"r has shape \(2,\), expected \(S, A\)"),
        (P, np.ones((2, 2, 2)), r"r has shape \(2, 2, 2\), .* Use \(P \* r\).sum\(-1\)"),
        (P, np.empty((2, 0)), r"r has shape \(2, 0\), expected \(S, A\) with S, A >= 1"),
        (P, np.empty((0, 2)), r"r has shape \(0, 2\)"),
        (P, [], r"r has shape \(0,\)"),
    ],
)
def test_make_mdp_refuses_shapes_that_disagree(P, r, message):
    with pytest.raises(ValueError, match=message):
        make_mdp(P, r, gamma=0.9)


@pytest.mark.parametrize(
    ("P", "r", "error", "message"),
    [
        (P, "reward", TypeError, "r is not an array of numbers"),
        (P.astype(np.float16), r, TypeError, "P is float16"),
        ([["a", "b"]], r, TypeError, "P is not an array of numbers"),
        (P, [[1, 2], [3]], TypeError, "r is not an array of numbers"),
        (P, [[None, 1], [2, 3]], ValueError, r"r\[0, 0\] = nan"),
    ],
)
def test_make_mdp_refuses_what_is_no_numbers(P, r, error, message):
    with pytest.raises(error, match=message):
        make_mdp(P, r, gamma=0.9)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"gamma": 1.5}, ValueError, r"gamma = 1.5, expected a discount in \[0, 1\]"),
        ({"gamma": -0.1}, ValueError, "gamma = -0.1"),
        ({"gamma": np.nan}, ValueError, "gamma = nan"),
        ({"gamma": "high"}, TypeError, "gamma = 'high', expected a number"),
        ({"gamma": None}, TypeError, "gamma = None"),
        ({"gamma": 1}, ValueError, "gamma = 1"),
        ({"rho": [0.5, 0.6]}, ValueError, "rho sums to 1.1, not 1"),
        ({"rho": [-0.5, 1.5]}, ValueError, r"rho\[0\] = -0.5, expected a probability"),
        ({"rho": [np.nan, 1]}, ValueError, r"rho\[0\] = nan"),
        ({"rho": [1.0]}, ValueError, r"rho has shape \(1,\), expected \(2,\)"),
        ({"rho": np.array([0.5, 0.5], dtype=np.float32)}, TypeError, "rho is float32"),
        ({"states": ["only one"]}, ValueError, "states has 1 labels, expected 2"),
        ({"actions": "abc"}, ValueError, "actions has 3 labels, expected 2"),
        ({"grid": Grid((1, 3), ((0, 0), (0, 1), (0, 2)))}, ValueError, "grid has 3 cells, expected 2"),
    ],
)
def test_make_mdp_refuses_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        make_mdp(P, r, **{"gamma": 0.9, **settings})


@pytest.mark.parametrize("storage", [lambda P: P, rows])
def test_make_mdp_rows_below_one_need_terminating(storage):
    short = changed(P, (0, 0), [0.25, 0.25])
    with pytest.raises(ValueError, match=r"P\[0, 0\] sums to 0.5, .*terminating=True"):
        make_mdp(storage(short), r, gamma=0.9)
    mdp = make_mdp(storage(short), r, gamma=0.9, terminating=True)
    assert mdp.stop_probability.tolist() == [[0.5, 0], [0, 0]]
    with pytest.raises(ValueError, match=r"P\[1, 1\] sums to 1.5, .*at most 1 in a terminating MDP"):
        make_mdp(storage(changed(P, (1, 1), 0.75)), r, gamma=0.9, terminating=True)


@pytest.mark.parametrize("storage", [lambda P: P, rows])
@pytest.mark.parametrize("garbage", [np.nan, np.inf, -3.0, 7.0, 0.0])
def test_make_mdp_looks_at_no_row_of_an_infeasible_action(garbage, storage):
    mdp = make_mdp(storage(changed(P, (1, 1), garbage)), changed(r, (1, 1), -np.inf), gamma=0.9)
    assert mdp.to_dense().P[1, 1].tolist() == [0, 0]
    assert mdp.stop_probability[1, 1] == 0
    assert mdp.feasible.tolist() == [[True, True], [True, False]]


# what is left alone


def test_make_mdp_normalises_rows_within_the_tolerance():
    near = P * (1 + 5e-9)
    for mdp in (make_mdp(near, r, gamma=0.9), make_mdp(rows(near), r, gamma=0.9).to_dense()):
        assert abs(mdp.P - P).max() < 1e-16
    with pytest.raises(ValueError, match="sums to"):
        make_mdp(P * (1 + 2e-8), r, gamma=0.9)
    assert abs(make_mdp(P, r, gamma=0.9, rho=[0.5, 0.5 + 9e-9]).rho.sum() - 1) < 3e-16


@pytest.mark.parametrize("form", [np.array, rows, sp.csr_array, sp.csc_matrix, sp.coo_matrix, sp.lil_matrix])
def test_make_mdp_leaves_the_callers_arrays_alone(form):
    given = form(P) if form in (np.array, rows) else form(rows(P))
    before = given.copy() if form is np.array else given.toarray()
    rewards, rho = changed(r, (0, 0), -np.inf), np.array([0.25, 0.75])
    mdp = make_mdp(given, rewards, gamma=0.9, rho=rho)
    assert ((given if form is np.array else given.toarray()) == before).all()
    rewards[0, 1] = rho[0] = 9
    if form is np.array:
        given[1] = 9
    assert mdp.r[0, 1] == 2 and mdp.rho[0] == 0.25 and mdp.to_dense().P[1, 0, 0] == 1


def test_make_mdp_merges_duplicate_successors():
    """The row lists its successor twice; merging must not reach the caller through memory that csr_matrix shares."""
    data = np.array([0.25, 0.25, 0.5, 1.0, 1.0, 0.5, 0.5])
    columns = np.array([1, 1, 0, 1, 0, 1, 0])
    pointers = np.array([0, 3, 4, 5, 7])
    given = sp.csr_matrix((data, columns, pointers), shape=(4, 2))
    kept = data.copy(), columns.copy(), pointers.copy()
    mdp = make_mdp(given, r, gamma=0.9)
    assert isinstance(mdp, SparseMDP)
    assert mdp.to_dense().P[0, 0].tolist() == [0.5, 0.5]
    assert mdp.kernel.nnz == 6 and mdp.successors == 2
    assert mdp.kernel.has_canonical_format
    for array, before in zip((data, columns, pointers), kept, strict=True):
        assert (array == before).all()
    for array, before in zip((given.data, given.indices, given.indptr), kept, strict=True):
        assert (array == before).all()
        assert array.flags.writeable


def test_make_mdp_arrays_are_frozen():
    mdp = make_mdp(P, r, gamma=0.9)
    assert isinstance(mdp, MDP)
    for array in (mdp.P, mdp.r, mdp.rho):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    sparse = make_mdp(rows(P), r, gamma=0.9).to_sparse()
    with pytest.raises(ValueError, match="read-only"):
        sparse.kernel.data[0] = 0


def test_make_mdp_takes_lists_integers_and_defaults():
    mdp = make_mdp([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[0, 1], [2, 3]], gamma=0)
    assert mdp.P.dtype == mdp.r.dtype == np.float64
    assert mdp.rho.tolist() == [0.5, 0.5]
    assert mdp.states is None and mdp.actions is None
    assert (mdp.S, mdp.A) == (2, 2)
    assert repr(mdp) == "MDP(S=2, A=2, gamma=0.0)"


# two storages, one MDP


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    S=st.integers(1, 9),
    A=st.integers(1, 4),
    infeasible=st.sampled_from([0.0, 0.4]),
    terminating=st.booleans(),
)
def test_dense_and_sparse_agree(seed, S, A, infeasible, terminating):
    """`expect`, its adjoint, `chain`, `stop_probability` and the conversions, on random MDPs."""
    P, r = random_arrays(seed, S, A, infeasible, terminating)
    rng = np.random.default_rng(seed)
    dense = make_mdp(P, r, gamma=0.9, terminating=terminating)
    sparse = make_mdp(rows(P), r, gamma=0.9, terminating=terminating)
    V, mu = rng.normal(size=S), rng.normal(size=(S, A))
    pi = np.where(dense.feasible, rng.random((S, A)), 0)
    pi /= pi.sum(1, keepdims=True)
    kept = np.where(dense.feasible[..., None], P, 0)
    for mdp in (dense, sparse, dense.to_sparse(), sparse.to_dense(), dense.to_sparse().to_dense()):
        assert (mdp.r == r).all() and (mdp.feasible == np.isfinite(r)).all()
        assert abs(mdp.expect(V) - np.einsum("sat,t->sa", kept, V)).max() < 1e-14
        assert abs(mdp.expect_adjoint(mu) - np.einsum("sat,sa->t", kept, mu)).max() < 1e-14
        assert np.sum(mu * mdp.expect(V)) == pytest.approx(mdp.expect_adjoint(mu) @ V, abs=1e-13)
        chain, greedy = mdp.chain(pi), mdp.chain(pi.argmax(1))
        chain, greedy = (c.toarray() if sp.issparse(c) else c for c in (chain, greedy))
        assert abs(chain - np.einsum("sa,sat->st", pi, kept)).max() < 1e-14
        assert abs(greedy - kept[np.arange(S), pi.argmax(1)]).max() < 1e-15
        assert abs(mdp.stop_probability - np.where(dense.feasible, 1 - P.sum(-1), 0)).max() < 1e-14
        assert mdp.successors == np.count_nonzero(kept, axis=-1).max()
    assert abs(sparse.P.toarray().reshape(S, A, S) - kept).max() < 1e-15


def test_suited_is_dense_up_to_200_states():
    for S, kind in ((200, np.ndarray), (201, sp.csr_matrix)):
        kernel = sp.csr_matrix(np.eye(S)[np.arange(S).repeat(2)])
        assert isinstance(suited(kernel), kind)
        assert isinstance(suited(kernel, sparse=True), sp.csr_matrix)
        assert suited(kernel, sparse=False).shape == (S, 2, S)


# changes


@pytest.mark.parametrize("storage", [lambda P: P, rows])
def test_with_changes_shares_the_kernel(storage):
    mdp = make_mdp(storage(P), r, gamma=0.9, states="ab")
    new = with_changes(mdp, r=r + 1, gamma=0.5, rho=[1, 0])
    assert new.r.tolist() == (r + 1).tolist() and new.gamma == 0.5 and new.rho.tolist() == [1, 0]
    assert new.states == ("a", "b")
    if isinstance(mdp, SparseMDP):
        assert isinstance(new, SparseMDP) and new.kernel is mdp.kernel
    else:
        assert new.P is mdp.P
    assert mdp.r.tolist() == r.tolist() and mdp.gamma == 0.9


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"r": r[0]}, ValueError, r"r has shape \(2,\), expected \(2, 2\)"),
        ({"r": changed(r, (0, 0), np.nan)}, ValueError, r"r\[0, 0\] = nan"),
        ({"r": r.astype(np.float32)}, TypeError, "r is float32"),
        ({"r": r}, ValueError, r"r\[0, 1\] is finite, but that action was infeasible"),
        ({"gamma": 2}, ValueError, "gamma = 2"),
        ({"gamma": 1}, ValueError, "gamma = 1"),
        ({"rho": [1, 1]}, ValueError, "rho sums to 2"),
    ],
)
def test_with_changes_refuses_bad_input(changes, error, message):
    mdp = make_mdp(P, changed(r, (0, 1), -np.inf), gamma=0.9)
    with pytest.raises(error, match=message):
        with_changes(mdp, **changes)


# policies


def test_policy_matrix_takes_probabilities_and_actions():
    mdp = make_mdp(P, r, gamma=0.9)
    assert policy_matrix(mdp, [1, 0]).tolist() == [[0, 1], [1, 0]]
    assert policy_matrix(mdp, np.array([[0.5, 0.5], [1, 0]])).tolist() == [[0.5, 0.5], [1, 0]]
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("pi", "message"),
    [
        ([0, 2], r"pi\[1\] = 2, expected an action from 0 to 1"),
        ([-1, 0], r"pi\[0\] = -1"),
        ([0.0, 1.0], r"pi has shape \(2,\), expected \(2, 2\), or \(2,\) integer actions"),
        (np.ones((2, 3)) / 3, r"pi has shape \(2, 3\)"),
        ([[0.5, 0.4], [1, 0]], r"pi\[0\] sums to 0.9, expected 1"),
        ([[1.5, -0.5], [1, 0]], r"pi\[0, 1\] = -0.5, expected a probability"),
        ([[np.nan, 1], [1, 0]], r"pi\[0, 0\] = nan"),
        ([[0.5, 0.5], [0.5, 0.5]], r"pi\[1, 1\] = 0.5 for an infeasible action"),
        ([0, 1], r"pi\[1, 1\] = 1 for an infeasible action"),
    ],
)
def test_policy_matrix_refuses_bad_policies(pi, message):
    mdp = make_mdp(P, changed(r, (1, 1), -np.inf), gamma=0.9)
    with pytest.raises(ValueError, match=message):
        policy_matrix(mdp, pi)


def test_make_mdp_is_silent():
    """No NumPy warning for infeasible rows, zero rows or -inf rewards."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for storage in (np.asarray, rows):
            mdp = make_mdp(
                storage(changed(P, (1, 1), np.nan)), changed(r, (1, 1), -np.inf), gamma=0.9, terminating=True
            )
            mdp.expect(np.ones(2))
            _ = mdp.stop_probability
