"""Claims of Voelcker et al. 2022, Value Gradient weighted Model-Based Reinforcement Learning (VaGraM).

Those about smooth values are checked on functions whose derivatives are known and whose curvature is bounded:

    V(x) = x'Hx / 2 + b'x + sum_j c_j cos(w_j'x + phi_j),      |Hessian|  <=  M = |H| + sum_j |c_j| |w_j|^2,

with |H| the largest row sum of the symmetric H. The bound is attained by quadratic V with a diagonal H.
"""

from __future__ import annotations

from fractions import Fraction

from tabular.claims.claim import Hypothesis, Instance, Sides, at_most, claim, equal
from tabular.claims.families import SA, SAS
from tabular.claims.fields import Box, Discount, Field, Positive, Real, Rows

PAPER = "Voelcker et al. 2022"
SAMPLES = {"n": (1, 3), "k": (1, 2), "N": (1, 4)}
"""Dimensions of the state, cosines in V, samples."""
HALF = Fraction(1, 2)


# Divergence and value (section 2.2)


def distributions(**more: Field) -> dict[str, Field]:
    """A distribution `q` and a perturbation `p` of it."""
    return {"q": Rows(("S",)), "p": Rows(("S",), near="q"), **more}


def covered(inner: str, outer: str) -> Hypothesis:
    """One distribution puts mass only where the other does; else their divergence is infinite."""

    def holds(x: Instance) -> Sides:
        p, q = getattr(x, inner), getattr(x, outer)
        return at_most(x.xp.where(q > 0, x.xp.zeros_like(p), p), x.xp.zeros_like(p))

    return Hypothesis(f"{inner} << {outer}", holds)


def divergence(p, q):
    """`KL(p || q)` for p absolutely continuous with respect to q."""
    xp = p.__array_namespace__()
    ones = xp.ones(p.shape)
    return xp.sum(p * xp.log(xp.where(p > 0, p, ones) / xp.where(p > 0, q, ones)))


def distance(x: Instance):
    """`sum |p - q|`."""
    return x.xp.sum(abs(x.p - x.q))


def value_gap(x: Instance):
    """`|<p - q, V>|`: how far the model's expected next value is off."""
    return abs(x.xp.sum((x.p - x.q) * x.V))


P_IN_Q, Q_IN_P = covered("p", "q"), covered("q", "p")
NONNEGATIVE = Hypothesis("0 <= V", lambda x: at_most(-x.V, x.xp.zeros_like(x.V)), {"V": Box(("S",))})
VALUES = {"V": Box(("S",), -1, 1)}


@claim(
    "vagram.pinsker",
    "G1",
    source=f"{PAPER}, section 2.2, corrected (Pinsker's inequality)",
    fields=distributions(),
    hypotheses=(P_IN_Q,),
    sharp=True,
)
def pinsker(x: Instance) -> Sides:
    """Pinsker's inequality.

        sum |p - q|  <=  sqrt(2 KL(p || q))

    Of all distributions, two balanced points are the worst: KL = 2 t^2 + O(t^4) for p = 1/2 +- t, q = 1/2, where
    sum |p - q| = 2 t. So the ratio goes to 1 as p goes to q.
    """
    return at_most(distance(x), x.xp.sqrt(2 * divergence(x.p, x.q)))


@claim(
    "vagram.pinsker.reversed",
    "G1b",
    source=f"{PAPER}, section 2.2, corrected, with the divergence the other way round",
    fields=distributions(),
    hypotheses=(Q_IN_P,),
    sharp=True,
)
def pinsker_reversed(x: Instance) -> Sides:
    """sum |p - q| <= sqrt(2 KL(q || p)): Pinsker's inequality with the roles exchanged, as the left side allows."""
    return at_most(distance(x), x.xp.sqrt(2 * divergence(x.q, x.p)))


@claim(
    "vagram.bretagnolle_huber",
    "G1c",
    source="Bretagnolle & Huber 1979; better than Pinsker's inequality for large divergences",
    fields=distributions(),
    hypotheses=(P_IN_Q,),
)
def bretagnolle_huber(x: Instance) -> Sides:
    """Never vacuous, where Pinsker's bound exceeds 2.

        sum |p - q|  <=  2 sqrt(1 - exp(-KL(p || q)))

    With a = sum min(p, q) and b = sum max(p, q) = 2 - a: exp(-KL / 2) <= sum sqrt(p q) <= sqrt(a b) by the inequalities
    of Jensen and Cauchy-Schwarz, and a b = 1 - (sum |p - q| / 2)^2.
    """
    return at_most(distance(x), 2 * x.xp.sqrt(1 - x.xp.exp(-divergence(x.p, x.q))))


@claim(
    "vagram.pinsker.printed",
    "G1x",
    source=f"{PAPER}, section 2.2, second inequality as printed",
    fields=distributions(),
    hypotheses=(P_IN_Q,),
    corrected="vagram.pinsker",
)
def pinsker_printed(x: Instance) -> Sides:
    """Pinsker's inequality without its factor 2.

        sum |p - q|  <=  sqrt(KL(p || q))

    Fails: for p = 1/2 +- t and q = 1/2 the left side is 2 t and the right side sqrt(2) t + O(t^3).
    """
    return at_most(distance(x), x.xp.sqrt(divergence(x.p, x.q)))


@claim(
    "vagram.mle_bound",
    "G2",
    source=f"{PAPER}, section 2.2, the chain corrected",
    fields=distributions(**VALUES),
    hypotheses=(P_IN_Q,),
    sharp=True,
)
def mle_bound(x: Instance) -> Sides:
    """A model that is likely has a small error of the next value.

        |<p - q, V>|  <=  sum |p - q| max |V|  <=  sqrt(2 KL(p || q)) max |V|

    Hoelder's and Pinsker's inequalities; the ratio goes to 1 for V = +-1 on two balanced points.
    """
    return at_most(value_gap(x), x.xp.sqrt(2 * divergence(x.p, x.q)) * x.xp.max(abs(x.V)))


@claim(
    "vagram.mle_bound.nonnegative",
    "G2b",
    source=f"{PAPER}, section 2.2, both ends of the printed chain, for values of 0 or more",
    fields=distributions(**VALUES),
    hypotheses=(P_IN_Q, NONNEGATIVE),
)
def mle_bound_nonnegative(x: Instance) -> Sides:
    """The printed bound, although a step of its proof fails, where no value is negative.

        |<p - q, V>|  <=  sqrt(KL(p || q)) max V,      0 <= V

    The left side is at most (range of V) sum |p - q| / 2, which is a factor sqrt(2) better than needed.
    """
    return at_most(value_gap(x), x.xp.sqrt(divergence(x.p, x.q)) * x.xp.max(abs(x.V)))


@claim(
    "vagram.mle_bound.sharp",
    "G2c",
    source=f"derived here; section 2.2 of {PAPER} made sharp",
    fields=distributions(**VALUES),
    hypotheses=(P_IN_Q,),
    sharp=True,
)
def mle_bound_sharp(x: Instance) -> Sides:
    """The range of V counts, not its size.

        |<p - q, V>|  <=  sqrt(2 KL(p || q)) (max V - min V) / 2

    p - q sums to 0, so that V may be shifted (here to start from 0, for Hoelder's inequality to the middle of its
    range). The ratio goes to 1 for any V on two balanced points as p goes to q.
    """
    xp = x.xp
    above = x.V - xp.min(x.V)
    gap = abs(xp.sum((x.p - x.q) * above))
    return at_most(gap, xp.sqrt(2 * divergence(x.p, x.q)) * xp.max(above) / 2)


@claim(
    "vagram.mle_bound.printed",
    "G2x",
    source=f"{PAPER}, section 2.2, both ends of the chain as printed",
    fields=distributions(**VALUES),
    hypotheses=(P_IN_Q,),
    corrected="vagram.mle_bound",
)
def mle_bound_printed(x: Instance) -> Sides:
    """The printed chain from one end to the other, for values of any sign.

        |<p - q, V>|  <=  sqrt(KL(p || q)) max |V|

    Fails by a factor of up to sqrt(2): V = (1, -1) with p = 1/2 +- t and q = 1/2 has the sides 2 t and sqrt(2) t.
    """
    return at_most(value_gap(x), x.xp.sqrt(divergence(x.p, x.q)) * x.xp.max(abs(x.V)))


# The loss and the update (section 2.3)

UPDATE = {
    "gamma": Discount(),
    "P": Rows(SAS),
    "P_hat": Rows(SAS, near="P"),
    "V": Real(("S",)),
    "rho": Rows(("S",)),
    "pi": Rows(SA),
}


def update_error(x: Instance):
    """`gamma |P V - P_hat V|[s, a]`: how far the model moves a Bellman update."""
    return x.gamma * abs((x.P - x.P_hat) @ x.V)


def update_bound(x: Instance):
    """`gamma sqrt(L / min mu)` with the loss L and the least positive weight of mu = rho pi."""
    mu = x.rho[:, None] * x.pi
    loss = x.xp.sum(mu * ((x.P - x.P_hat) @ x.V) ** 2)
    return x.gamma * x.xp.sqrt(loss / x.xp.min(x.xp.where(mu > 0, mu, x.xp.ones(mu.shape))))


@claim(
    "vagram.zero_loss",
    "G3",
    source=f"{PAPER}, section 2.3, after eq. 2, made quantitative",
    fields=UPDATE,
    sharp=True,
    equality={
        "gamma": HALF,
        "P": [[[1, 0], [1, 0]], [[0, 1], [0, 1]]],
        "P_hat": [[[0, 1], [1, 0]], [[0, 1], [0, 1]]],
        "V": [0, 1],
        "rho": [1, 0],
        "pi": [[1, 0], [1, 0]],
    },
)
def zero_loss(x: Instance) -> Sides:
    """A small loss gives nearly the same update, a loss of 0 exactly the same, where data are.

        gamma |P V - P_hat V|[s, a]  <=  gamma sqrt(L / min mu)      for mu(s, a) > 0

    mu(s, a) (P V - P_hat V)^2 is one term of the loss L. Equality if it is the only one.
    """
    seen = x.rho[:, None] * x.pi > 0
    error = update_error(x)
    return at_most(x.xp.where(seen, error, x.xp.zeros_like(error)), update_bound(x))


@claim(
    "vagram.zero_loss.unseen",
    "G3x",
    source=f"{PAPER}, section 2.3, after eq. 2, read for all states and actions",
    fields=UPDATE,
    control=True,
    corrected="vagram.zero_loss",
)
def zero_loss_unseen(x: Instance) -> Sides:
    """The same for every (s, a), with data or without: fails, since the loss says nothing where mu is 0."""
    return at_most(update_error(x), update_bound(x))


# Smooth values (section 3, appendix A)


def smooth() -> dict[str, Field]:
    """A value function with bounded curvature: `H`, `b`, `c`, `w`, `phi`."""
    return {
        "H": Real(("n", "n"), scale=2.0),
        "b": Real(("n",)),
        "c": Real(("k",)),
        "w": Real(("k", "n"), scale=2.0),
        "phi": Real(("k",), scale=3.0),
    }


def samples(**more: Field) -> dict[str, Field]:
    """Next states `s` with weights `mu`, a model's errors `d` there, and a smooth value function."""
    return {"s": Real(("N", "n")), "d": Real(("N", "n")), "mu": Rows(("N",)), **smooth(), **more}


def quadratic(n: int = 1, k: int = 1, b: Fraction | int = 0) -> dict[str, object]:
    """The fields of `V = x'x / 2 + b sum(x)`, which has curvature M = 1."""
    zeros = [0] * k
    return {
        "H": [[int(i == j) for j in range(n)] for i in range(n)],
        "b": [b] * n,
        "c": zeros,
        "w": [[0] * n] * k,
        "phi": zeros,
    }


def symmetric(x: Instance):
    """The Hessian of the quadratic part of V."""
    return (x.H + x.H.mT) / 2


def value(x: Instance, points):
    """`V` at points (N, n)."""
    curved = x.xp.sum((points @ symmetric(x)) * points, axis=1) / 2
    return curved + points @ x.b + x.xp.cos(points @ x.w.mT + x.phi[None, :]) @ x.c


def gradient(x: Instance, points):
    """Gradient of `V` at points (N, n)."""
    waves = x.xp.sin(points @ x.w.mT + x.phi[None, :]) * x.c[None, :]
    return points @ symmetric(x) + x.b[None, :] - waves @ x.w


def curvature(x: Instance):
    """A bound `M` on the norm of the Hessian of `V`."""
    xp = x.xp
    return xp.max(xp.sum(abs(symmetric(x)), axis=1)) + xp.sum(abs(x.c) * xp.sum(x.w**2, axis=1))


def slopes(x: Instance):
    """`(grad V)_i d_i`, the share of each dimension in the first-order error, shape (N, n)."""
    return gradient(x, x.s) * x.d


def mean(x: Instance, numbers):
    """Expectation over the samples."""
    return x.xp.sum(x.mu * numbers)


def vaml(x: Instance):
    """`E (V(f) - V(s'))^2`, the value-aware loss of a deterministic model."""
    return mean(x, (value(x, x.s + x.d) - value(x, x.s)) ** 2)


def first_order(x: Instance):
    """`E (grad V . d)^2`, eq. 5."""
    return mean(x, x.xp.sum(slopes(x), axis=1) ** 2)


def weighted(x: Instance):
    """`E sum_i (grad V)_i^2 d_i^2`, the loss VaGraM; eq. 7 is `dim(S)` times this."""
    return mean(x, x.xp.sum(slopes(x) ** 2, axis=1))


def fourth_moment(x: Instance):
    """`E |d|^4`."""
    return mean(x, x.xp.sum(x.d**2, axis=1) ** 2)


ONE_SAMPLE = {"s": [[0]], "d": [[1]], "mu": [1]}
HALFWAY = {**ONE_SAMPLE, **quadratic(b=HALF)}
"""V = x^2 / 2 + x / 2 from 0 to 1: the first-order error and the remainder are both 1/2."""


@claim(
    "vagram.taylor",
    "G4",
    source=f"{PAPER}, appendix A, first sentence, with its constant",
    fields=samples(),
    sizes=SAMPLES,
    sharp=True,
    equality=HALFWAY,
)
def taylor(x: Instance) -> Sides:
    """The error of the linear approximation of V.

        |V(s' + d) - V(s') - grad V(s') . d|  <=  (M / 2) |d|^2

    Taylor's theorem with the integral remainder; equality for V with constant curvature along d.
    """
    remainder = value(x, x.s + x.d) - value(x, x.s) - x.xp.sum(slopes(x), axis=1)
    return at_most(abs(remainder), curvature(x) / 2 * x.xp.sum(x.d**2, axis=1))


@claim(
    "vagram.eq7",
    "G5",
    source=f"{PAPER}, eq. 6-7",
    fields={"g": Real(("N", "n")), "d": Real(("N", "n")), "mu": Rows(("N",))},
    sizes={"n": (1, 4), "N": (1, 4)},
    sharp=True,
    equality={"g": [[1, 2]], "d": [[2, 1]], "mu": [1]},
)
def eq7(x: Instance) -> Sides:
    """The square of a sum is at most n times the sum of the squares.

        E (g . d)^2  <=  n E sum_i g_i^2 d_i^2,      n = dim(S)

    Cauchy-Schwarz with the vector of ones; equality if all g_i d_i agree.
    """
    shares = x.g * x.d
    total = mean(x, x.xp.sum(shares, axis=1) ** 2)
    return at_most(total, shares.shape[1] * mean(x, x.xp.sum(shares**2, axis=1)))


@claim(
    "vagram.eq7.algorithm1",
    "G5x",
    source=f"{PAPER}, Algorithm 1: eq. 7 without dim(S)",
    fields=eq7.fields,
    sizes={"n": (2, 4), "N": (1, 4)},
    control=True,
    corrected="vagram.eq7",
)
def eq7_algorithm1(x: Instance) -> Sides:
    """The loss of Algorithm 1 as an upper bound of eq. 5.

        E (g . d)^2  <=  E sum_i g_i^2 d_i^2

    Fails without the factor dim(S), by up to that factor. The minimisers are those of eq. 7 all the same.
    """
    shares = x.g * x.d
    return at_most(mean(x, x.xp.sum(shares, axis=1) ** 2), mean(x, x.xp.sum(shares**2, axis=1)))


@claim(
    "vagram.app_a",
    "G6",
    source=f"{PAPER}, appendix A, eq. 8-12",
    fields=samples(),
    sizes=SAMPLES,
    sharp=True,
    equality=HALFWAY,
)
def app_a(x: Instance) -> Sides:
    """The value-aware loss from the first-order loss and the curvature.

        E (V(s' + d) - V(s'))^2  <=  2 E (grad V . d)^2 + (M^2 / 2) E |d|^4

    (a + b)^2 <= 2 a^2 + 2 b^2 with the remainder b <= (M / 2) |d|^2. Equality for V = x^2/2 + x/2 from 0 to 1.
    """
    return at_most(vaml(x), 2 * first_order(x) + curvature(x) ** 2 / 2 * fourth_moment(x))


@claim(
    "vagram.app_a.root",
    "G6b",
    source=f"derived here; appendix A of {PAPER} sharpened",
    fields=samples(),
    sizes=SAMPLES,
    sharp=True,
    equality=HALFWAY,
)
def app_a_root(x: Instance) -> Sides:
    """The same for the root of the loss, never worse.

        sqrt(VAML)  <=  sqrt(E (grad V . d)^2) + (M / 2) sqrt(E |d|^4)

    Minkowski's inequality. Its square is at most the bound of appendix A, since (a + b)^2 <= 2 a^2 + 2 b^2.
    """
    sqrt = x.xp.sqrt
    return at_most(sqrt(vaml(x)), sqrt(first_order(x)) + curvature(x) / 2 * sqrt(fourth_moment(x)))


@claim(
    "vagram.app_a.no_curvature",
    "G6x",
    source=f"{PAPER}, eq. 12 without its M^2",
    fields=samples(),
    sizes=SAMPLES,
    control=True,
    corrected="vagram.app_a",
)
def app_a_no_curvature(x: Instance) -> Sides:
    """Appendix A without the curvature.

        E (V(s' + d) - V(s'))^2  <=  2 E (grad V . d)^2 + 2 E |d|^4

    Fails: V = 10 x^2 from 0 to 1 has the sides 100 and 2.
    """
    return at_most(vaml(x), 2 * first_order(x) + 2 * fourth_moment(x))


@claim(
    "vagram.ladder",
    "G7",
    source=f"derived here; what the loss of {PAPER} says about the value-aware loss",
    fields=samples(),
    sizes=SAMPLES,
    sharp=True,
    equality=HALFWAY,
)
def ladder(x: Instance) -> Sides:
    """VaGraM bounds the value-aware loss up to curvature.

        sqrt(VAML)  <=  sqrt(n VaGraM) + (M / 2) sqrt(E |d|^4),      n = dim(S)

    The bound on the root with eq. 7 on its first term. Equality for V = x^2/2 + x/2 from 0 to 1.
    """
    sqrt = x.xp.sqrt
    linear = sqrt(x.d.shape[1] * weighted(x))
    return at_most(sqrt(vaml(x)), linear + curvature(x) / 2 * sqrt(fourth_moment(x)))


@claim(
    "vagram.eq7.vaml",
    "G7x",
    source=f"{PAPER}, eq. 7 read as a bound on the value-aware loss",
    fields=samples(),
    sizes=SAMPLES,
    control=True,
    corrected="vagram.ladder",
)
def eq7_vaml(x: Instance) -> Sides:
    """Eq. 7 alone, without the curvature of V.

        E (V(s' + d) - V(s'))^2  <=  n E sum_i (grad V)_i^2 d_i^2

    Fails: V = x^2 from 0 to 1 has the sides 1 and 0.
    """
    return at_most(vaml(x), x.d.shape[1] * weighted(x))


@claim(
    "vagram.eq4",
    "G8",
    source=f"{PAPER}, eq. 3-4",
    fields={
        "s": Real(("N", "n")),
        "d": Real(("N", "m", "n")),
        "p": Rows(("N", "m")),
        "mu": Rows(("N",)),
        **smooth(),
    },
    sizes={**SAMPLES, "m": (1, 4)},
    attackable=False,
)
def eq4(x: Instance) -> Sides:
    """The value at the sample drops out of the linearised loss.

        E (V(s') - sum_j p_j (V(s') + grad V(s') . d_j))^2  =  E (sum_j p_j grad V(s') . d_j)^2

    The model's probabilities sum to 1.
    """
    xp = x.xp
    linear = xp.sum(gradient(x, x.s)[:, None, :] * x.d, axis=2)
    at_samples = value(x, x.s)
    expected = xp.sum(x.p * (at_samples[:, None] + linear), axis=1)
    return equal(mean(x, (at_samples - expected) ** 2), mean(x, xp.sum(x.p * linear, axis=1) ** 2))


# Solutions of the losses (section 3.2)


def second_differences(loss, point):
    """The Hessian of a quadratic function, exactly: `L(x + e_i + e_j) - L(x + e_i) - L(x + e_j) + L(x)`."""
    xp = point.__array_namespace__()
    steps = xp.eye(point.shape[0])
    one = loss(point + steps)
    return loss(point + steps[:, None, :] + steps[None, :, :]) - one[:, None] - one[None, :] + loss(point)


def minors(H):
    """All 2 x 2 minors `H[i, j] H[k, l] - H[i, l] H[k, j]`: the rank is at most 1 where they are 0."""
    return H[:, :, None, None] * H[None, None, :, :] - H[:, None, None, :] * H.mT[None, :, :, None]


def positive(x):
    """1 where x is above 0, else 0."""
    xp = x.__array_namespace__()
    return xp.where(x > 0, xp.ones(x.shape), xp.zeros(x.shape))


NO_ZERO_SLOPE = Hypothesis("grad V has no component 0", lambda x: equal(positive(x.g**2), x.xp.ones(x.g.shape)))


@claim(
    "vagram.eq7.rank",
    "G9",
    source=f"{PAPER}, section 3.2 and appendix B",
    fields={"g": Real(("n",)), "s": Real(("n",)), "f": Real(("n",))},
    sizes={"n": (2, 4)},
    hypotheses=(NO_ZERO_SLOPE,),
    arithmetic="exact",
    attackable=False,
)
def eq7_rank(x: Instance) -> Sides:
    """One sample leaves n - 1 directions free in eq. 5, and none in eq. 7.

        rank Hessian_f (g . (f - s'))^2 = 1,      Hessian_f sum_i g_i^2 (f_i - s'_i)^2 is diagonal and positive

    The Hessians are 2 g g' and 2 diag(g_i^2). Said here of second differences, which are exact for quadratic losses:
    the first has a positive trace and no 2 x 2 minor, the second a positive diagonal and nothing beside it.
    """
    xp = x.xp
    eye = xp.eye(x.g.shape[0])
    flat = second_differences(lambda f: xp.sum(x.g * (f - x.s), axis=-1) ** 2, x.f)
    full = second_differences(lambda f: xp.sum((x.g * (f - x.s)) ** 2, axis=-1), x.f)
    trace, beside = xp.sum(eye * flat), xp.sum(abs(full - eye * full))
    found = [positive(trace), xp.max(abs(minors(flat))), xp.min(positive(xp.sum(eye * full, axis=1))), beside]
    return equal(xp.stack(found), xp.asarray([1.0, 0.0, 1.0, 0.0]))


# Deterministic models (appendix F)


@claim(
    "vagram.app_f",
    "G10",
    source=f"{PAPER}, appendix F, made quantitative here",
    fields={"y": Real(("N", "n")), "weight": Positive(("N",), low=0.1, high=10.0), **smooth()},
    sizes={**SAMPLES, "N": (2, 4)},
    sharp=True,
    equality={"y": [[1, 0], [-1, 0], [0, 2]], "weight": [1, 1, 2], **quadratic(n=2)},
)
def app_f(x: Instance) -> Sides:
    """How biased the value of the mean next state is.

        |E V(s') - V(E s')|  <=  (M / 2) tr Cov(s')

    The remainder of Taylor's theorem at the mean, where the first-order term has expectation 0. Equality for V with the
    same curvature in every direction. An exact mean model is value-biased by this much.
    """
    xp = x.xp
    p = x.weight / xp.sum(x.weight)
    centre = (p @ x.y)[None, :]
    bias = abs(xp.sum(p * value(x, x.y)) - value(x, centre)[0])
    return at_most(bias, curvature(x) / 2 * xp.sum(p * xp.sum((x.y - centre) ** 2, axis=1)))
