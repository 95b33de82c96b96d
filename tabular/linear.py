"""The linear system of a policy, `(I - gamma P_pi) x = b`, factored once and solved as often as needed.

A dense LU up to a few hundred states; above that a sparse LU where the chain is long and narrow (grids, queues), and
iterations with refinement where a factor would fill in (random graphs).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from scipy.linalg.lapack import dgetrf, dgetrs  # type: ignore[attr-defined]
from scipy.sparse import csgraph

from tabular.mdp import MDP, AnyMDP

DENSE_STATES = 200
"""Up to this many states a chain is factored as a dense matrix."""
SMALL_STATES = 3000
"""Up to this many states a sparse LU is affordable whatever the graph."""
NARROW = 0.05
"""A graph whose widest level of hop distances holds at most this share of the states has little fill-in."""

REFINEMENTS = 50
"""Corrections after which iterations give up on a smaller residual."""

Solve = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PolicySystem:
    """Factored `I - gamma P_pi`: `solve(b)` and, for occupancies, `solve_adjoint(b)` with the transpose."""

    solve: Solve
    solve_adjoint: Solve
    chain: np.ndarray | sp.csr_matrix
    """The transition matrix P_pi."""
    kernel: object
    """The storage of the MDP the chain was taken from; the same object means the same transition kernel."""
    pi: np.ndarray
    gamma: float

    def belongs_to(self, mdp: AnyMDP, pi: np.ndarray) -> bool:
        """Whether this is the system of policy `pi` in `mdp`, so that nothing need be factored again."""
        return storage(mdp) is self.kernel and mdp.gamma == self.gamma and np.array_equal(pi, self.pi)


def storage(mdp: AnyMDP):
    """The object that holds the transition probabilities."""
    return mdp.P if isinstance(mdp, MDP) else mdp.kernel


def policy_system(mdp: AnyMDP, pi: np.ndarray, reuse: PolicySystem | None = None) -> PolicySystem:
    """Factor `I - gamma P_pi`, or return `reuse` if it is that factorisation already."""
    if reuse is not None and reuse.belongs_to(mdp, pi):
        return reuse
    chain = mdp.chain(pi)
    solve, adjoint = factor(chain, mdp.gamma)
    return PolicySystem(solve, adjoint, chain, storage(mdp), pi, mdp.gamma)


def factor(chain, gamma: float) -> tuple[Solve, Solve]:
    """Solvers for `(I - gamma chain) x = b` and for its transpose.

    The iterations for wide graphs end where rounding does, or, if they stall, with a larger residual: what uses the
    answer has to bound its error.
    """
    S = chain.shape[0]
    if not sp.issparse(chain):
        return _dense_lu(chain, gamma)
    if S <= DENSE_STATES:
        return _dense_lu(chain.toarray(), gamma)
    matrix = sp.eye_array(S, format="csr") - gamma * chain
    if is_narrow(chain):
        return _sparse_lu(matrix)
    return _iterations(matrix), _iterations(matrix.T.tocsr())


def _dense_lu(chain: np.ndarray, gamma: float) -> tuple[Solve, Solve]:
    """LAPACK's LU. The transpose of a C-ordered matrix is in the order of Fortran, so that nothing is copied."""
    matrix = -gamma * chain
    matrix.reshape(-1)[:: len(matrix) + 1] += 1
    lu, pivots, _ = dgetrf(matrix.T, overwrite_a=True)
    return lambda b: dgetrs(lu, pivots, b, trans=1)[0], lambda b: dgetrs(lu, pivots, b)[0]


def _sparse_lu(matrix: sp.csr_array) -> tuple[Solve, Solve]:
    """SuperLU's factors, pivots on the diagonal (which dominates). Rows this short don't gain from supernodes."""
    lu = spla.splu(matrix.tocsc(), diag_pivot_thresh=0.0, relax=1)
    return lu.solve, lambda b: lu.solve(b, trans="T")


def spreads(chain: sp.csr_matrix) -> bool:
    """Whether walks from one state reach more than 5% of all states for the first time in the same one of 12 steps.

    On a random graph they do; telling so takes a fraction of the time that measuring the whole graph does.
    """
    S = len(chain.indptr) - 1
    reached, level = np.zeros(S, dtype=bool), np.array([S // 2])
    for _ in range(12):
        reached[level] = True
        successors = chain[level].indices
        level = np.unique(successors[~reached[successors]])
        if len(level) > NARROW * S:
            return True
    return False


def is_narrow(chain: sp.csr_matrix) -> bool:
    """Whether the widest level of undirected hop distances, in any component, holds at most 5% of all states."""
    if spreads(chain):
        return False
    _, component = csgraph.connected_components(chain, directed=False)
    S = len(component)
    _, sources = np.unique(component, return_index=True)
    hops = csgraph.dijkstra(chain, directed=False, indices=sources, unweighted=True, min_only=True)
    _, sizes = np.unique(component * S + hops.astype(int), return_counts=True)
    return sizes.max() <= NARROW * S


def solve_cost(chain) -> float:
    """How many sweeps `x <- b + gamma P x` cost about as much as factoring and solving a system.

    A dense LU takes 2/3 S^3 operations where a sweep takes 2 S^2, the sparse LU of a planar graph O(S^1.5) where a
    sweep takes O(S). Iterations on a wide graph, when they aren't quick, take as long as some thousands of sweeps.
    """
    S = chain.shape[0]
    if not sp.issparse(chain):
        return S / 3
    return 5 * math.sqrt(S) if is_narrow(chain) else 5000.0


def _iterations(matrix: sp.csr_array) -> Solve:
    """Iterations with refinement, until the residual is as small as rounding allows."""
    rounding = (np.diff(matrix.indptr).max() + 4) * np.finfo(float).eps / 2

    def solve(b: np.ndarray) -> np.ndarray:
        x, residual = np.zeros_like(b), b
        for _ in range(REFINEMENTS):
            if not abs(residual).max() > rounding * (abs(b).max() + 2 * abs(x).max()):
                break
            x = x + _correction(matrix, residual)
            residual = b - matrix @ x
        return x

    return solve


def _correction(matrix: sp.csr_array, b: np.ndarray) -> np.ndarray:
    """Rough solution of `(I - gamma P) x = b`: by BiCGStab (van der Vorst 1992) if that at least halves the residual.

    If not, by a sparse LU where it is affordable, or by as many sweeps `x <- b + gamma P x`, which always gain. A few
    sweeps come first, since BiCGStab breaks down on a vector as regular as the uniform distribution.
    """
    x, _ = spla.bicgstab(matrix, b, x0=sweeps(matrix, b, 5), rtol=1e-6, maxiter=200)
    if abs(b - matrix @ x).max() <= abs(b).max() / 2:
        return x
    if len(b) <= SMALL_STATES:
        return _sparse_lu(matrix)[0](b)
    return sweeps(matrix, b, 400)


def sweeps(matrix: sp.csr_array, b: np.ndarray, count: int) -> np.ndarray:
    """`count` sweeps `x <- b + gamma P x`, from 0."""
    x = b
    for _ in range(count - 1):
        x = x + (b - matrix @ x)
    return x
