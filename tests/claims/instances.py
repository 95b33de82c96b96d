"""What tests of claims share."""

import numpy as np

from tabular.claims.claim import Claim


def name(claim: Claim) -> str:
    """How a test's parameter is called."""
    return claim.name


def arrays(instance) -> dict[str, np.ndarray]:
    """An instance in nested lists of fractions as object arrays."""
    return {name: np.asarray(value, dtype=object) for name, value in instance.items()}


def drawn(claim: Claim, n: int) -> list[dict[str, np.ndarray]]:
    """The first n instances of seed 0."""
    return [claim.draw(0, i) for i in range(n)]
