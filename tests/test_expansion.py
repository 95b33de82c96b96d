"""Value expansion against enumerated trajectories, complex steps, closed forms and MAAC's claims (A2, A2b, A2c)."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

import tabular as tb
from tabular.device import policy_q, policy_return, to_device
from tabular.expansion import Expansion, expand, expansion_error, policy_gradient, steve, truncation
from tabular.mdp import MDP
from tabular.operators import softmax_policy
from tests.instances import random_mdp

STEP = 1e-30


def instance(seed: int, i: int, **sizes):
    """A random MDP of gamma 0.9 or what `sizes` says, with logits and a critic."""
    mdp = random_mdp(seed, i, **({"gamma": 0.9} | sizes))
    rng = np.random.default_rng([seed, i, 1])
    return mdp, rng.normal(size=mdp.r.shape), rng.normal(size=mdp.r.shape) * abs(mdp.r).max()


def scale(mdp, Q_hat) -> float:
    """Size that rounding in values is measured by; in gradients the same over 1 - gamma."""
    return float(abs(mdp.r).max() / (1 - mdp.gamma) + abs(Q_hat).max())


def enumerated(mdp, Q_hat, pi, H: int) -> float:
    """J_H as a sum over all trajectories s_0 a_0 ... s_H a_H."""
    total = 0.0
    pairs = list(np.ndindex(mdp.S, mdp.A))
    for path in itertools.product(pairs, repeat=H + 1):
        probability, earned = mdp.rho[path[0][0]], 0.0
        for t, (s, a) in enumerate(path):
            probability *= pi[s, a] * (mdp.P[(*path[t - 1], s)] if t else 1)
            earned += mdp.gamma**t * (mdp.r[s, a] if t < H else Q_hat[s, a])
        total += probability * earned
    return total


def complex_returns(mdp, Q_hat, logits, H_max: int, alpha: float) -> np.ndarray:
    """J_H by forward simulation of the state distribution; analytic in the logits, so that they may be complex."""
    weights = np.exp(logits / alpha)
    pi = weights / weights.sum(1, keepdims=True)
    found, earned, here = [], 0.0, mdp.rho.astype(complex)
    for t in range(H_max + 1):
        visits = here[:, None] * pi
        found.append(earned + mdp.gamma**t * (visits * Q_hat).sum())
        earned = earned + mdp.gamma**t * (visits * mdp.r).sum()
        here = np.einsum("sa,sat->t", visits, mdp.P)
    return np.array(found)


def truncated_gradient(mdp, pi, H: int) -> np.ndarray:
    """`sum_{t<=H} gamma^t Pr(s_t = s) pi A`, with powers of the chain and the host's values."""
    true, chain = tb.evaluate(mdp, pi), mdp.chain(pi)
    visits = sum(mdp.gamma**t * mdp.rho @ np.linalg.matrix_power(chain, t) for t in range(H + 1))
    return np.asarray(visits)[:, None] * pi * (true.Q - true.V[:, None])


# expand


@pytest.mark.parametrize("i", range(3))
def test_expand_is_the_sum_over_all_trajectories(i):
    mdp, logits, Q_hat = instance(1, i, S=2, A=2)
    pi = softmax_policy(logits, 1.0)
    found = expand(mdp, Q_hat, logits, H_max=3).J
    expected = [enumerated(mdp, Q_hat, pi, H) for H in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-13 * scale(mdp, Q_hat))


@pytest.mark.parametrize("i", range(5))
def test_expand_has_the_gradient_of_a_complex_step(i):
    mdp, logits, Q_hat = instance(2, i, S=4, A=3)
    direction = np.random.default_rng(i).normal(size=logits.shape)
    found = expand(mdp, Q_hat, logits, H_max=6, alpha=0.7)
    stepped = complex_returns(mdp, Q_hat, logits + 1j * STEP * direction, 6, 0.7)
    np.testing.assert_allclose(found.J, np.real(stepped), atol=1e-13 * scale(mdp, Q_hat))
    along = np.einsum("hsa,sa->h", found.gradient, direction)
    np.testing.assert_allclose(along, np.imag(stepped) / STEP, atol=1e-11 * scale(mdp, Q_hat))


@pytest.mark.parametrize("i", range(3))
def test_expand_has_the_gradient_of_automatic_differentiation(i):
    mdp, logits, Q_hat = instance(3, i, S=4, A=3)
    found = expand(mdp, Q_hat, logits, H_max=6)
    forward = jax.jit(jax.jacobian(lambda logits: expand(mdp, Q_hat, logits, H_max=6).J))(logits)
    np.testing.assert_allclose(found.gradient, forward, atol=1e-11 * scale(mdp, Q_hat))


def test_expand_keeps_the_critic_frozen():
    """If the derivative went through a critic that moves with the policy, H = 0 would have the policy gradient."""
    mdp, logits, _ = instance(4, 0, S=4, A=3)
    device = to_device(mdp)

    def objective(logits):
        Q = policy_q(device, softmax_policy(logits, 1.0))
        return expand(mdp, Q, logits, H_max=0).J[0]

    found = jax.jit(jax.grad(objective))(logits)
    frozen = truncated_gradient(mdp, softmax_policy(logits, 1.0), 0)
    np.testing.assert_allclose(found, frozen, atol=1e-11 * scale(mdp, logits))
    assert abs(found - policy_gradient(mdp, logits)).max() > 1e-3 * scale(mdp, logits)


def test_expand_forgets_the_critic_at_long_horizons():
    """H = infinity asks the model alone: value and gradient become those of the model, gamma^400 = 5e-19."""
    mdp, logits, Q_hat = instance(5, 0, S=4, A=3)
    found = expand(mdp, Q_hat, logits, H_max=400)
    pi = softmax_policy(logits, 1.0)
    assert found.J[-1] == pytest.approx(tb.evaluate(mdp, pi).J, abs=1e-12 * scale(mdp, Q_hat))
    np.testing.assert_allclose(found.gradient[-1], policy_gradient(mdp, logits), atol=1e-11 * scale(mdp, Q_hat))


def test_expand_at_horizon_zero_is_the_critic_whatever_the_model():
    mdp, logits, Q_hat = instance(6, 0, S=4, A=3)
    other = instance(6, 1, S=4, A=3)[0]
    other = tb.with_changes(other, rho=mdp.rho)
    one, two = (expand(model, Q_hat, logits, H_max=6) for model in (mdp, other))
    np.testing.assert_array_equal(one.Q[0], Q_hat)
    assert one.J[0] == two.J[0] and one.J[1] != two.J[1]


def with_an_infeasible_action():
    mdp, logits, Q_hat = instance(7, 0, S=4, A=3)
    r = mdp.r.copy()
    r[1, 2] = -np.inf
    return tb.make_mdp(mdp.P, r, gamma=0.9, rho=mdp.rho), logits, Q_hat


@pytest.mark.parametrize("ignored", [0.0, -np.inf, np.nan])
def test_expand_never_looks_at_an_infeasible_action(ignored):
    mdp, logits, Q_hat = with_an_infeasible_action()
    expected = expand(mdp, Q_hat, logits, H_max=6)
    logits[1, 2] = Q_hat[1, 2] = ignored
    found = expand(mdp, Q_hat, logits, H_max=6)
    assert (found.Q[:, 1, 2] == -np.inf).all() and (found.gradient[:, 1, 2] == 0).all()
    np.testing.assert_array_equal(found.J, expected.J)
    np.testing.assert_array_equal(found.gradient, expected.gradient)
    automatic = jax.jit(jax.jacobian(lambda logits: expand(mdp, Q_hat, logits, H_max=6).J))(logits)
    np.testing.assert_allclose(found.gradient, automatic, atol=1e-11 * float(abs(mdp.r[mdp.feasible]).max()))


def test_expand_takes_sparse_models_and_gamma_one():
    mdp, logits, Q_hat = instance(8, 0, S=4, A=2)
    sparse = tb.make_mdp(sp.csr_matrix(mdp.P.reshape(8, 4)), mdp.r, gamma=0.9, rho=mdp.rho)
    dense, other = (expand(model, Q_hat, logits, H_max=6) for model in (mdp, sparse))
    np.testing.assert_allclose(dense.gradient, other.gradient, atol=1e-13 * scale(mdp, Q_hat))
    undiscounted = expand(MDP(mdp.P, mdp.r, 1.0, mdp.rho), Q_hat, logits, H_max=6)
    expected = np.real(complex_returns(MDP(mdp.P, mdp.r, 1.0, mdp.rho), Q_hat, logits, 6, 1.0))
    np.testing.assert_allclose(undiscounted.J, expected, atol=1e-12 * scale(mdp, Q_hat))


def test_expand_can_be_mapped_over_models_and_critics():
    mdp, logits, Q_hat = instance(9, 0, S=4, A=3)
    kernels = np.stack([instance(9, i, S=4, A=3)[0].to_dense().P for i in range(3)])

    def one(P, Q_hat) -> Expansion:
        return expand(MDP(P, mdp.r, mdp.gamma, mdp.rho), Q_hat, logits, H_max=6)

    critics = np.stack([Q_hat, 2 * Q_hat, -Q_hat])
    batch = jax.jit(jax.vmap(one))(kernels, critics)
    for i in range(3):
        single = one(kernels[i], critics[i])
        np.testing.assert_allclose(batch.gradient[i], single.gradient, atol=1e-12 * scale(mdp, critics))


# the true model and critic: A2, A2b, A2c


@pytest.mark.parametrize("i", range(12))
def test_expand_with_true_model_and_critic_has_the_return_and_a_truncated_gradient(i):
    mdp, logits, _ = instance(10, i, S=4, A=3)
    pi = softmax_policy(logits, 1.0)
    true = tb.evaluate(mdp, pi)
    found = expand(mdp, true.Q, logits, H_max=6)
    np.testing.assert_allclose(found.J, true.J, atol=1e-13 * scale(mdp, true.Q))
    for H in (0, 1, 6):
        np.testing.assert_allclose(
            found.gradient[H], truncated_gradient(mdp, pi, H), atol=1e-12 * scale(mdp, true.Q) / (1 - mdp.gamma)
        )


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9, 0.99])
def test_truncation_is_within_its_bound(gamma):
    for i in range(25):
        mdp, logits, _ = instance(11, i, S=4, A=3, gamma=gamma)
        found = truncation(mdp, logits, H_max=6, alpha=0.5)
        assert (found.bias <= found.bound + 1e-12 * scale(mdp, logits) / (1 - gamma)).all()


def test_truncation_attains_its_bound_with_one_state():
    """All visits are in one state, so that max_s E|A| is E|A|: pi = (1/4, 3/4) and Q(0) - Q(1) = 2 give E|A| = 3/4."""
    mdp = tb.make_mdp(np.ones((1, 2, 1)), [[1.0, -1.0]], gamma=0.9)
    found = truncation(mdp, [[0.0, np.log(3.0)]], H_max=5)
    expected = 0.9 ** np.arange(1, 7) / 0.1 * 0.75
    np.testing.assert_allclose(found.bound, expected, rtol=1e-13)
    np.testing.assert_allclose(found.bias, expected, rtol=1e-12)
    assert found.gradient_norm == pytest.approx(7.5, rel=1e-13)


def test_policy_gradient_is_the_derivative_of_the_return():
    derivative = jax.jit(jax.grad(lambda logits, mdp: policy_return(mdp, softmax_policy(logits, 0.3))))
    for i in range(5):
        mdp, logits, _ = instance(12, i, S=4, A=3)
        expected = derivative(jnp.asarray(logits), to_device(mdp))
        tolerance = 1e-11 * scale(mdp, logits) / (1 - mdp.gamma)
        np.testing.assert_allclose(policy_gradient(mdp, logits, alpha=0.3), expected, atol=tolerance)


# expansion_error


def test_expansion_error_is_measured_against_the_true_return_and_gradient():
    mdp, logits, Q_hat = instance(13, 0, S=4, A=3)
    model = tb.make_mdp(instance(13, 1, S=4, A=3)[0].P, mdp.r + 0.1, gamma=0.9, rho=mdp.rho)
    found, plain = expansion_error(mdp, model, Q_hat, logits, H_max=6), expand(model, Q_hat, logits, H_max=6)
    true = tb.evaluate(mdp, softmax_policy(logits, 1.0))
    gradient = true.occupancy * (true.Q - true.V[:, None])
    np.testing.assert_allclose(found.value, abs(plain.J - true.J), atol=1e-12 * scale(mdp, Q_hat))
    off = abs(np.asarray(plain.gradient) - gradient).sum((1, 2))
    np.testing.assert_allclose(found.gradient, off, atol=1e-11 * scale(mdp, Q_hat))
    for H in range(7):
        one, two = np.asarray(plain.gradient[H]).ravel(), gradient.ravel()
        assert found.cosine[H] == pytest.approx(one @ two / np.linalg.norm(one) / np.linalg.norm(two), abs=1e-12)
    assert found.J == pytest.approx(true.J) and found.gradient_norm == pytest.approx(abs(gradient).sum())


# steve


def test_steve_weighs_shifted_critics_by_powers_of_the_discount():
    """Critics Q + c and Q - c differ by 2 c gamma^H after H steps: weights are proportional to gamma^(-2H)."""
    mdp, logits, Q_hat = instance(14, 0, S=4, A=3)
    c = abs(mdp.r).max()
    found = steve([mdp], [Q_hat + c, Q_hat - c], logits, H_max=6)
    variance = c**2 * 0.9 ** (2 * np.arange(7))
    weights = (1 / variance) / (1 / variance).sum()
    np.testing.assert_allclose(found.variance, np.broadcast_to(variance[:, None, None], (7, 4, 3)), rtol=1e-10)
    np.testing.assert_allclose(found.weights, np.broadcast_to(weights[:, None, None], (7, 4, 3)), rtol=1e-10)


def test_steve_is_the_inverse_variance_mean_over_all_pairs():
    mdp, logits, Q_hat = instance(15, 0, S=4, A=3)
    models = [tb.make_mdp(instance(15, i, S=4, A=3)[0].P, mdp.r + i, gamma=0.9, rho=mdp.rho) for i in range(3)]
    critics = np.stack([Q_hat, Q_hat**2])
    found = steve(models, critics, logits, H_max=6, alpha=0.5)
    pairs = itertools.product(models, critics)
    Q = np.stack([expand(model, critic, logits, H_max=6, alpha=0.5).Q for model, critic in pairs])
    np.testing.assert_allclose(found.mean, Q.mean(0), rtol=1e-12, atol=1e-12 * scale(mdp, Q))
    pi = softmax_policy(logits, 0.5)
    for H in range(7):
        mixed = np.average(Q.mean(0)[: H + 1], axis=0, weights=1 / Q.var(0)[: H + 1])
        np.testing.assert_allclose(found.Q[H], mixed, atol=1e-11 * scale(mdp, Q))
        assert found.J[H] == pytest.approx((mdp.rho[:, None] * pi * mixed).sum(), abs=1e-11 * scale(mdp, Q))
    np.testing.assert_allclose(found.weights.sum(0), 1, rtol=1e-13)


def test_steve_shares_weights_where_all_agree():
    """Two copies of a model and a critic have variances of rounding or exactly 0."""
    mdp, logits, Q_hat = with_an_infeasible_action()
    found = steve([mdp, mdp, mdp], np.stack([Q_hat, Q_hat]), logits, H_max=6)
    np.testing.assert_allclose(found.weights, 1 / 7, rtol=1e-13)
    assert (found.Q[:, 1, 2] == -np.inf).all() and np.isfinite(found.J).all()


def test_steve_of_nothing_but_zeros_is_zero():
    mdp = tb.make_mdp(np.eye(2)[:, None], np.zeros((2, 1)), gamma=0.9)
    found = steve([mdp], np.zeros((2, 2, 1)), np.zeros((2, 1)), H_max=2)
    assert (found.Q == 0).all() and (found.weights == pytest.approx(1 / 3))


# bad input

GOOD = np.zeros((2, 2))
MODEL = tb.worlds.two_state()
THREE = tb.worlds.dirichlet(3, 2, 0.9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expand(MODEL, GOOD, GOOD, H_max=-1), r"H_max = -1, expected a number of steps"),
        (lambda: expand(MODEL, GOOD, GOOD, H_max=2.0), r"H_max = 2\.0"),  # type: ignore[arg-type]
        (lambda: expand(MODEL, GOOD, GOOD, H_max=True), r"H_max = True"),
        (lambda: expand(MODEL, GOOD, GOOD, H_max=1, alpha=0.0), r"alpha = 0\.0, expected a positive temperature"),
        (lambda: expand(MODEL, GOOD, GOOD, H_max=1, alpha=-1.0), r"alpha = -1\.0"),
        (lambda: expand(MODEL, GOOD, GOOD, H_max=1, alpha=np.nan), r"alpha = nan"),
        (lambda: expand(MODEL, np.zeros(2), GOOD, H_max=1), r"Q_hat has shape \(2,\), expected \(S, A\) = \(2, 2\)"),
        (lambda: expand(MODEL, GOOD, np.zeros((3, 2)), H_max=1), r"logits has shape \(3, 2\)"),
        (lambda: expand(MODEL, GOOD, [[0, np.inf], [0, 0]], H_max=1), r"logits\[0, 1\] = inf.*1 of 4"),
        (lambda: expand(MODEL, [[0, 0], [np.nan, 0]], GOOD, H_max=1), r"Q_hat\[1, 0\] = nan"),
        (lambda: expansion_error(MODEL, THREE, GOOD, GOOD, H_max=1), r"model has \(S, A\) = \(3, 2\)"),
        (lambda: policy_gradient(MODEL, np.zeros((2, 3))), r"logits has shape \(2, 3\)"),
        (
            lambda: truncation(MDP(MODEL.P, MODEL.r, 1.0, MODEL.rho), GOOD, H_max=1),
            r"gamma = 1\.0, expected a discount",
        ),
        (lambda: steve([], [GOOD], GOOD, H_max=1), r"models is empty"),
        (lambda: steve([MODEL], [GOOD], GOOD, H_max=1), r"make 1 pair.*expected 2 or more"),
        (lambda: steve([MODEL, MODEL], GOOD, GOOD, H_max=1), r"critics has shape \(2, 2\), expected \(N, S, A\)"),
        (lambda: steve([MODEL, THREE], [GOOD], GOOD, H_max=1), r"models\[1\] has \(S, A\) = \(3, 2\)"),
        (lambda: steve([MODEL], np.zeros((2, 2, 3)), GOOD, H_max=1), r"critics\[0\] has shape \(2, 3\)"),
        (
            lambda: steve([MODEL, tb.with_changes(MODEL, gamma=0.5)], [GOOD], GOOD, H_max=1),
            r"models\[1\] has gamma = 0\.5",
        ),
        (
            lambda: steve([MODEL, tb.with_changes(MODEL, r=[[-np.inf, 0], [0, 0]])], [GOOD], GOOD, H_max=1),
            r"models\[1\] has other feasible actions",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
