"""Random MDPs. A seed names the same MDP under every version of NumPy: the stream of `RandomState` is frozen."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tabular.mdp import AnyMDP, make_mdp, suited, with_changes
from tabular.worlds.grid import gridworld


def garnet(
    S: int = 100,
    A: int = 4,
    branching: int = 5,
    gamma: float = 0.99,
    seed: int = 0,
    *,
    sparse: bool | None = None,
) -> AnyMDP:
    """Garnet(S, A, branching): a generic random MDP with few successors (Archibald, McKinnon & Thomas 1995).

    Every state and action has `branching` distinct successors, a uniformly random set of them, with probabilities
    uniform on the simplex. Rewards r[s, a] are standard normal (as in Bhatnagar et al. 2009).

    Args:
      S, A: numbers of states and actions.
      branching: successors of each state and action, 1 to S.
      gamma: discount.
      seed: 0 to 2^32 - 1.
      sparse: storage; if not given, dense up to 200 states and sparse above.

    Raises:
      ValueError for a size out of range.
    """
    _check_sizes(S=S, A=A, branching=branching)
    if branching > S:
        raise ValueError(f"branching = {branching}, expected at most S = {S}: the successors are distinct.")
    draw = _stream(seed)
    successors = distinct_integers(S * A, branching, S, draw)
    weights = draw.standard_exponential((S * A, branching))
    weights /= weights.sum(1, keepdims=True)
    pointers = np.arange(S * A + 1) * branching
    kernel = sp.csr_matrix((weights.ravel(), successors.ravel(), pointers), shape=(S * A, S))
    return make_mdp(suited(kernel, sparse), draw.standard_normal((S, A)), gamma=gamma)


def dirichlet(S: int = 20, A: int = 4, gamma: float = 0.99, seed: int = 0, *, concentration: float = 1.0) -> AnyMDP:
    """A dense random MDP: every row of P from Dirichlet(concentration, ..., concentration), rewards standard normal.

    Concentration 1 is uniform on the simplex; towards 0 rows become deterministic, towards infinity uniform.
    A Gamma(c) variate is drawn as Gamma(c + 1) U^(1/c), in logarithms, so that a tiny c underflows no row to 0.

    Raises ValueError for a size or concentration out of range.
    """
    _check_sizes(S=S, A=A)
    if not 0 < concentration < np.inf:
        raise ValueError(f"concentration = {concentration}, expected a positive number.")
    draw = _stream(seed)
    shape = (S, A, S)
    log_weights = np.log(draw.standard_gamma(concentration + 1, shape))
    log_weights += np.log(1 - draw.random_sample(shape)) / concentration
    weights = np.exp(log_weights - log_weights.max(-1, keepdims=True))
    return make_mdp(weights / weights.sum(-1, keepdims=True), draw.standard_normal((S, A)), gamma=gamma)


def random_maze(
    size: int = 30,
    gamma: float = 0.99,
    seed: int = 0,
    *,
    walls: float = 0.1,
    slip: float = 0.2,
    sparse: bool | None = None,
) -> AnyMDP:
    """A size x size grid with random walls and costs, a start in the first corner and an absorbing goal in the last.

    Each other cell is a wall with probability `walls`; a step from a cell costs a uniformly random amount in [0, 1),
    drawn once for the cell; `slip` to the two perpendicular moves. The standard test of solvers where far-apart states
    mix slowly. Raises ValueError for an argument out of range.
    """
    _check_sizes(size=size)
    if size < 2:
        raise ValueError(f"size = {size}, expected at least 2.")
    if not 0 <= walls <= 1:
        raise ValueError(f"walls = {walls}, expected a probability in [0, 1].")
    draw = _stream(seed)
    cells = np.where(draw.random_sample((size, size)) < walls, "#", ".")
    cells[0, 0], cells[-1, -1] = "S", "G"
    mdp = gridworld("\n".join("".join(row) for row in cells), gamma=0, slip=slip, rewards={}, sparse=sparse)
    cost = draw.random_sample(mdp.S)
    cost[-1] = 0
    return with_changes(mdp, r=-np.repeat(cost[:, None], mdp.A, axis=1), gamma=gamma)


def distinct_integers(rows: int, count: int, bound: int, draw: np.random.RandomState) -> np.ndarray:
    """In every row a uniformly random set of `count` distinct integers below `bound`, shape (rows, count).

    Floyd's algorithm, all rows at once (Bentley & Floyd 1987): for j = bound - count, ..., bound - 1 draw t in 0..j and
    take t, or j if t was taken before. The order within a row isn't uniform, the set is.
    """
    taken = np.empty((rows, count), dtype=np.int32)
    for k in range(count):
        j = bound - count + k
        drawn = draw.randint(0, j + 1, size=rows, dtype=np.int32)
        taken[:, k] = np.where((taken[:, :k] == drawn[:, None]).any(1), j, drawn)
    return taken


def _stream(seed: int) -> np.random.RandomState:
    try:
        return np.random.RandomState(seed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"seed = {seed!r}, expected an integer from 0 to 2**32 - 1.") from error


def _check_sizes(**sizes) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{name} = {size!r}, expected a positive integer.")
