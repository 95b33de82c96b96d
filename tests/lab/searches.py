"""Small claims to search for counterexamples of, whose extremes are known in closed form."""

from tabular import lab

SOURCE = "a test"
X = {"x": lab.Positive((2,))}


@lab.claim("test.mean", "mean", source=SOURCE, fields=X, sharp=True)
def mean(x):
    """2 x y <= x^2 + y^2, with equality at x = y."""
    return lab.at_most(2 * x.x[0] * x.x[1], x.xp.sum(x.x * x.x))


@lab.claim("test.mean.small", "small", source=SOURCE, fields=X)
def small_mean(x):
    """3 x y <= x^2 + y^2: fails by a ratio of 3/2 at x = y."""
    return lab.at_most(3 * x.x[0] * x.x[1], x.xp.sum(x.x * x.x))


@lab.claim("test.mean.branch", "branch", source=SOURCE, fields=X)
def branching_mean(x):
    """The same with a branch that JAX can't trace."""
    return small_mean.statement(x) if bool(x.x[0] > x.x[1]) else mean.statement(x)


@lab.claim("test.logarithm", "logarithm", source=SOURCE, fields={"u": lab.Positive()}, equality={"u": 1})
def logarithm(x):
    """log u <= u - 1, with equality at 1, where both sides are 0."""
    return lab.at_most(x.xp.log(x.u), x.u - 1)


@lab.claim("test.logarithm.half", "half", source=SOURCE, fields={"u": lab.Positive()})
def half_logarithm(x):
    """log u <= u - 3/2: fails near 1, where both sides are below 0, and nowhere if u is below 1/2 or above 3."""
    return lab.at_most(x.xp.log(x.u), x.u - x.xp.ones(()) * 3 / 2)


below = lab.Hypothesis("x <= 9/10", lambda x: lab.at_most(10 * x.x, 9 * x.xp.ones(x.x.shape)))


@lab.claim("test.sum", "sum", source=SOURCE, fields=X, hypotheses=(below,))
def bounded_sum(x):
    """x + y <= 3/2 where both are at most 9/10, which nothing imposes: fails up to 9/5."""
    return lab.at_most(2 * x.xp.sum(x.x), 3 * x.xp.ones(()))


@lab.claim("test.sum.true", "sum_true", source=SOURCE, fields=X, hypotheses=(below,))
def true_sum(x):
    """x + y <= 2 where both are at most 9/10: true, up to a ratio of 9/10."""
    return lab.at_most(x.xp.sum(x.x), 2 * x.xp.ones(()))


@lab.claim(
    "test.model",
    "model",
    source=SOURCE,
    fields={
        "p": lab.Rows((2, 3)),
        "r": lab.Box((2,)),
        "p_hat": lab.Rows((2, 3), near="p"),
        "r_hat": lab.Real((2,), near="r"),
    },
)
def same_rewards(x):
    """A model's rewards are at most 1/4 larger."""
    return lab.at_most(4 * (x.r_hat - x.r), x.xp.ones(x.r.shape))


@lab.claim("test.certain", "certain", source=SOURCE, fields={"p": lab.Rows((2, 3))}, arithmetic="exact")
def uncertain(x):
    """No probability is above 3/4."""
    return lab.at_most(4 * x.xp.max(x.p), 3 * x.xp.ones(()))


@lab.claim("test.halves", "halves", source=SOURCE, fields={"n": lab.Whole(low=2, high=9), "g": lab.Discount()})
def geometric(x):
    """1 / (1 - g) <= n, for a whole number that no attack moves."""
    return lab.at_most(1 / (1 - x.g), x.n)
