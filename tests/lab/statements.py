"""Claims about one or a few numbers, whose truth is known by hand."""

from fractions import Fraction

import numpy as np

from tabular import lab

UNIT = {"u": lab.Box()}
SOURCE = "a test"


@lab.claim("test.half", "half", source=SOURCE, fields=UNIT)
def half(x):
    """u is at most 1/2.

    False for more than half of all u in [0, 1].
    """
    return lab.at_most(x.u, x.xp.ones(()) / 2)


small = lab.Hypothesis("u is small", lambda x: lab.at_most(4 * x.u, x.xp.ones(())))
never = lab.Hypothesis("u is above 2", lambda x: lab.at_most(2 * x.xp.ones(()), x.u))


@lab.claim("test.half.small", "small", source=SOURCE, fields=UNIT, hypotheses=(small,))
def half_of_small(x):
    """u is at most 1/2 if it is at most 1/4."""
    return lab.at_most(x.u, x.xp.ones(()) / 2)


@lab.claim("test.never", "never", source=SOURCE, fields=UNIT, hypotheses=(never,))
def of_nothing(x):
    """u is at most 1/2 if it is above 2, which it never is."""
    return lab.at_most(x.u, x.xp.ones(()) / 2)


@lab.claim("test.square", "square", source=SOURCE, fields=UNIT, sharp=True, equality={"u": Fraction(1, 2)})
def square(x):
    """u (1 - u) <= 1/4, with equality at 1/2."""
    return lab.at_most(x.u * (1 - x.u), x.xp.ones(()) / 4)


@lab.claim("test.float", "float", source=SOURCE, fields=UNIT, arithmetic="float")
def half_in_floats(x):
    """u is at most 1/2, in floats only."""
    return lab.at_most(x.u, np.asarray(0.5), radius=1e-12)


@lab.claim("test.tie", "tie", source=SOURCE, fields={"u": lab.Positive()})
def tie(x):
    """Of two equal logarithms the first is the larger one: no digits decide that."""
    logs = x.xp.log(x.xp.stack([x.u, x.u]))
    return lab.equal(x.xp.zeros(()) + x.xp.argmax(logs), x.xp.zeros(()))


@lab.claim("test.log", "log", source=SOURCE, fields={"u": lab.Box(low=1, high=8)})
def logarithm(x):
    """log u <= u - 1, turned round; both sides are 0 at 1."""
    return lab.at_most(x.u - 1, x.xp.log(x.u))


@lab.claim("test.liar", "liar", source=SOURCE, fields=UNIT)
def liar(x):
    """u <= 1, with a mistake that its floats don't tell of."""
    return lab.at_most(x.xp.asarray(x.xp.midpoint(x.u) + 2 * (x.xp.__name__.endswith("enclosed"))), x.xp.ones(()))


@lab.claim("test.nearly", "nearly", source=SOURCE, fields=UNIT)
def nearly(x):
    """0 = 0, with rounding noise below 1/2, and exactly 2^-60 = 0 above: a violation much smaller than the noise."""
    noise = 1000 * (x.u / 49 * 49 - x.u)
    return lab.equal(x.xp.where(x.u > x.xp.ones(()) / 2, x.xp.ones(()) / 2**60, noise), x.xp.zeros(()))
