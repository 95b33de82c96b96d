"""What MnM and VMBPO share: the value against the host engine, its derivative against a complex step, the refusals."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.device import to_device
from tabular.fitting import fit
from tabular.mdp import MDP, make_mdp
from tabular.models import SoftmaxTable, Theta, aliased_blocks, low_rank, seed_key, softmax_table
from tabular.objectives.mnm import mnm
from tabular.objectives.vmbpo import vmbpo
from tabular.worlds.papers import maze10, two_state

TABLE = SoftmaxTable(learns_reward=False)
COMPLEX_STEP = 1e-30
MAZE = maze10()
OBJECTIVES = {
    "mnm": partial(mnm, kl_weight=1.0),
    "mnm-gamma": partial(mnm, kl_weight=0.9),
    "vmbpo": partial(vmbpo, eta=2.0),
}
SLOW = pytest.mark.slow
named = pytest.mark.parametrize("name", OBJECTIVES)


def problem(i: int) -> tuple[MDP, Theta]:
    """A random MDP of full support and positive rewards, 2 to 5 states, and the logits of a model."""
    rng = np.random.default_rng([41, i])
    S, A = {4: (5, 2), 5: (2, 3), 6: (4, 3)}.get(i, (3, 2))
    P, r = rng.dirichlet(np.ones(S), size=(S, A)), np.exp(rng.normal(size=(S, A)))
    true = make_mdp(P, r, gamma=0.9, rho=rng.dirichlet(np.ones(S)))
    return to_device(true), Theta(jnp.asarray(rng.normal(size=(S, A, S))), None)


def reward_and_weight(name: str, r):
    """Reward before the divergence is paid, and the price of a nat, written out again."""
    log = 0.1 * np.log(np.where(r > 0, r, 1.0)) - 0.1 * np.log(0.1)
    return {"mnm": (log, 1.0), "mnm-gamma": (log, 0.9), "vmbpo": (r, 0.5)}[name]


@jax.jit
def value_and_slope(objective, model_class, true, theta):
    def loss(theta):
        return objective.loss(true, model_class.mdp(true, theta), jnp.zeros_like(true.r), jnp.asarray(0))[0]

    return jax.value_and_grad(loss)(theta)


@named
@pytest.mark.parametrize("i", range(3))
def test_loss_is_minus_the_soft_value_of_the_host_engine(name, i):
    true, theta = problem(i)
    P, r, q = (np.asarray(x) for x in (true.P, true.r, jax.nn.softmax(theta.logits)))
    reward, weight = reward_and_weight(name, r)
    host = make_mdp(q, reward - weight * (q * np.log(q / P)).sum(-1), gamma=0.9)
    loss, _ = value_and_slope(OBJECTIVES[name](0.2), TABLE, true, theta)
    assert -loss == pytest.approx(np.asarray(true.rho) @ tb.soft_solve(host, 0.2).V, rel=1e-11)


# derivatives


def complex_loss(name: str, true: MDP, L: np.ndarray, alpha: float) -> complex:
    """The loss by plain iteration in complex arithmetic, nothing shared with the package."""
    P, r, rho = (np.asarray(x) for x in (true.P, true.r, true.rho))
    weights = np.exp(L - np.real(L).max(-1, keepdims=True))
    q = weights / weights.sum(-1, keepdims=True)
    reward, weight = reward_and_weight(name, r)
    reward = reward - weight * (q * np.log(q / P)).sum(-1)

    def value(Q):
        top = np.real(Q).max(1)
        return top + alpha * np.log(np.exp((Q - top[:, None]) / alpha).sum(1))

    Q = np.zeros_like(r)
    for _ in range(400):
        Q = reward + 0.9 * q @ value(Q)
    return -rho @ value(Q)


@named
@pytest.mark.parametrize(
    ("i", "alpha"), [(0, 1.0), (1, 0.3), (2, 0.02), *(pytest.param(i, 0.1, marks=SLOW) for i in (4, 5, 6))]
)
def test_slope_is_that_of_a_complex_step(name, i, alpha):
    true, theta = problem(i)
    slope = value_and_slope(OBJECTIVES[name](alpha), TABLE, true, theta)[1].logits
    stepped = np.zeros(slope.shape)
    for at in np.ndindex(slope.shape):
        L = np.asarray(theta.logits).astype(complex)
        L[at] += COMPLEX_STEP * 1j
        stepped[at] = complex_loss(name, true, L, alpha).imag / COMPLEX_STEP
    np.testing.assert_allclose(slope, stepped, rtol=1e-10, atol=1e-15 / (1 - 0.9) ** 2 / alpha)


def along(objective, model_class, true, theta, h: float = 1e-5):
    """Slope of the loss in a random direction, and the central difference there."""
    rng = np.random.default_rng(5)
    direction = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), theta)
    slope = value_and_slope(objective, model_class, true, theta)[1]
    ahead, behind = (jax.tree.map(lambda x, d, h=h: x + h * d, theta, direction) for h in (h, -h))
    loss = partial(value_and_slope, objective, model_class, true)
    inner = sum(np.vdot(a, b) for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(direction), strict=True))
    return inner, float(loss(ahead)[0] - loss(behind)[0]) / (2 * h)


@pytest.mark.parametrize(
    ("name", "model_class"),
    [
        pytest.param("mnm", aliased_blocks(MAZE, 5, learns_reward=False), id="blocks5"),
        pytest.param("vmbpo", low_rank(7, learns_reward=False), id="rank7", marks=SLOW),
        pytest.param("vmbpo", aliased_blocks(MAZE, 2, learns_reward=False), id="blocks2", marks=SLOW),
        pytest.param("mnm-gamma", low_rank(7, learns_reward=False), id="rank7-gamma", marks=SLOW),
        pytest.param("mnm", softmax_table(learns_reward=False, on_support=True, alpha=1.0), id="table", marks=SLOW),
    ],
)
def test_slope_on_the_maze_is_that_of_differences(name, model_class):
    """100 states; blocks and low ranks leave the support of p and need the clip, the table doesn't."""
    true = to_device(MAZE)
    true = MDP(true.P, true.r, true.gamma, true.rho)
    objective = OBJECTIVES[name](0.1, clip=None if isinstance(model_class, SoftmaxTable) else 5.0)
    found, expected = along(objective, model_class, true, model_class.init(true, seed_key(1)))
    assert abs(expected) > 1e-3
    assert found == pytest.approx(expected, rel=1e-6)


def test_clip_limits_the_price_of_a_transition_and_leaves_it_a_slope():
    """A kernel with a hole and a model that fills it: every unit of mass in the hole costs 5 nats, no more."""
    P = np.array([[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]])
    true = to_device(make_mdp(P, np.full((2, 2), 2.0), gamma=0.9))
    theta, objective = TABLE.init(true, seed_key(0)), vmbpo(0.1, clip=5.0)
    q = np.asarray(TABLE.mdp(true, theta).P[0, 1])
    r = np.asarray(objective.imagined(true, TABLE.mdp(true, theta)).r)
    assert r[0, 1] == pytest.approx(2 - (q[0] * np.log(q[0]) + 5 * q[1]), rel=1e-12)
    exact = vmbpo(0.1).imagined(true, TABLE.mdp(true, theta)).r
    np.testing.assert_allclose(r[[0, 1, 1], [0, 0, 1]], exact[[0, 1, 1], [0, 0, 1]], rtol=1e-12)
    slope = jax.jit(jax.grad(lambda theta: objective.imagined(true, TABLE.mdp(true, theta)).r.sum()))(theta).logits
    assert slope[0, 1, 0] > 0.1 and slope[0, 1, 1] < -0.1


def test_infeasible_actions_stay_so():
    P = np.array([[[0.3, 0.4, 0.3], [0, 0, 0]], [[0.5, 0.3, 0.2]] * 2, [[0.2, 0.4, 0.4]] * 2])
    true = to_device(make_mdp(P, [[1.0, -np.inf], [0.1, 0.5], [2.0, 3.0]], gamma=0.9))
    theta = TABLE.init(true, seed_key(3))
    for make in OBJECTIVES.values():
        objective = make(0.3)
        np.testing.assert_array_equal(objective.imagined(true, TABLE.mdp(true, theta)).r == -jnp.inf, ~true.feasible)
        value, slope = value_and_slope(objective, TABLE, true, theta)
        assert jnp.isfinite(value) and jnp.isfinite(slope.logits).all() and (slope.logits[0, 1] == 0).all()


# fits


def test_agent_of_a_fit_plans_in_the_imagined_mdp():
    true = tb.with_changes(two_state(), r=two_state().r + 1)
    found = fit(true, vmbpo(0.1), softmax_table(alpha=1.0, learns_reward=False), seeds=(1, 2), steps=5)
    q = found.P_hat[0, 0]
    penalised = make_mdp(q, true.r - (q * np.log(q / true.P)).sum(-1), gamma=0.9)
    np.testing.assert_allclose(found.pi[0, 0], tb.soft_solve(penalised, 0.1).pi, atol=1e-11)
    assert abs(found.pi[0, 0] - tb.soft_solve(found.model(0, 0), 0.1).pi).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnm", "vmbpo"])
@pytest.mark.parametrize("size", [2, 5])
def test_fit_on_the_maze_lowers_the_loss_and_leaves_an_agent(name, size):
    model_class = aliased_blocks(MAZE, size, learns_reward=False)
    found = fit(MAZE, OBJECTIVES[name](0.1, clip=5.0), model_class, seeds=(1, 2), steps=20, lr=0.1)
    assert np.isfinite(found.J).all() and (found.J > 0).all()
    assert (found.history.loss[..., -1] < found.history.loss[..., 0] - 1).all()


# refusals


@named
def test_fit_refuses_models_that_learn_a_reward(name):
    true = tb.with_changes(two_state(), r=two_state().r + 1)
    with pytest.raises(ValueError, match=r"rewards of their own.*learns_reward=False"):
        fit(true, OBJECTIVES[name](), softmax_table(), seeds=1)


@named
def test_fit_refuses_mass_outside_the_support(name):
    free = softmax_table(learns_reward=False, alpha=1.0)
    with pytest.raises(ValueError, match=r"q\[0, 0, 2\] = 0.0\d+ where p is 0.*400 of 400 rows.*on_support.*clip=5.0"):
        fit(MAZE, OBJECTIVES[name](), free, seeds=1)
    OBJECTIVES[name](clip=5.0).check(MAZE, free.mdp(to_device(MAZE), free.init(to_device(MAZE), seed_key(1))))


@pytest.mark.parametrize("make", [mnm, vmbpo])
@pytest.mark.parametrize("wrong", [0, -1.0, float("nan")])
def test_optimistic_objectives_refuse_numbers_that_are_not_positive(make, wrong):
    other = {"mnm": "kl_weight", "vmbpo": "eta"}[make.__name__]
    for option in ("alpha", "clip", other):
        with pytest.raises(ValueError, match=rf"^{option} = {wrong}, expected a positive"):
            make(**{option: wrong})
