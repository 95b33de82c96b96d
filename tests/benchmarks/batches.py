"""Speed of `device.solve_batch` against loops over quantecon and mdpsolver: python -m tests.benchmarks.batches

Two batches of dense random MDPs (rows of P uniform on the simplex, normal rewards), 10,000 with 2 states and 2 actions
and 1,000 with 20 states and 4 actions, to a certified error of 1e-6. Every number is CPU time (`time.process_time`) on
one linear-algebra thread, after a first call that isn't counted (it compiles); the solvers take turns and the least of
the repetitions counts, since other work on the machine only ever adds. All of it is counted: from the numbers of the
batch, NumPy arrays for us and quantecon and nested lists for mdpsolver, to V of every MDP. (A second `solve` of the
same mdpsolver model starts from the first one's answer, so models can't be built beforehand.)
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # before NumPy is loaded

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tabular import device

ACCURACY = 1e-6
SIZES = ((10_000, 2, 2, 30.0), (1_000, 20, 4, 9.0))
"""MDPs, states, actions, and the ratio to reach."""
GAMMAS = (0.9, 0.99)


class Row(NamedTuple):
    """One batch, one peer."""

    name: str
    ours: float
    """Our CPU seconds for the batch."""
    peer: float
    """The peer's CPU seconds for the batch."""
    ratio: float
    """How many times faster we are."""


def batches(repeats: int = 15) -> list[Row]:
    """Measure both batches at both discounts and print a line for each peer. Checks that all agree to 1e-6."""
    rows = []
    for B, S, A, target in SIZES:
        for gamma in GAMMAS:
            rows += compare(*random_batch(B, S, A), gamma, repeats, target)
    return rows


def random_batch(B: int, S: int, A: int) -> tuple[np.ndarray, np.ndarray]:
    """P (B, S, A, S) with rows uniform on the simplex and normal rewards r (B, S, A)."""
    rng = np.random.default_rng([B, S, A])
    return rng.dirichlet(np.ones(S), size=(B, S, A)), rng.normal(size=(B, S, A))


def compare(P: np.ndarray, r: np.ndarray, gamma: float, repeats: int, target: float) -> list[Row]:
    """Rows for one batch at one discount."""
    solvers = {
        "tabular": lambda: np.asarray(device.solve_batch(P, r, gamma, tol=ACCURACY).V),
        "quantecon policy iteration": quantecon_loop(P, r, gamma),
        "mdpsolver mpi": mdpsolver_loop(P, r, gamma),
    }
    seconds, V = cpu_seconds(solvers, repeats)
    B, S, A = r.shape
    title = f"{B} x ({S}, {A}), gamma {gamma}"
    print(f"{title}: microseconds of CPU time per MDP; target {target:g}x the fastest peer")
    print(f"  {'tabular':28s} {seconds['tabular'] / B * 1e6:9.3f}")
    rows = []
    for name in list(solvers)[1:]:
        row = Row(f"{title}: {name}", seconds["tabular"], seconds[name], seconds[name] / seconds["tabular"])
        off = abs(V[name] - V["tabular"]).max()
        print(f"  {name:28s} {row.peer / B * 1e6:9.3f}   ratio {row.ratio:6.1f}   max |V - ours| {off:.1e}", flush=True)
        rows.append(row)
    return rows


def quantecon_loop(P: np.ndarray, r: np.ndarray, gamma: float) -> Callable[[], np.ndarray]:
    """Howard's policy iteration, `DiscreteDP(r, P, gamma)` for each MDP; exact."""
    from quantecon.markov import DiscreteDP

    def solve(reward: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return DiscreteDP(reward, kernel, gamma).policy_iteration().v

    return lambda: np.array([solve(reward, kernel) for reward, kernel in zip(r, P, strict=True)])


def mdpsolver_loop(P: np.ndarray, r: np.ndarray, gamma: float) -> Callable[[], np.ndarray]:
    """mdpsolver's modified policy iteration for each MDP, on one thread."""
    import mdpsolver

    rewards, kernels = r.tolist(), P.tolist()

    def solve(reward: list, kernel: list) -> list[float]:
        model = mdpsolver.model()
        model.mdp(discount=gamma, rewards=reward, tranMatWithZeros=kernel)
        model.solve(algorithm="mpi", tolerance=ACCURACY, parallel=False)
        return model.getValueVector()

    return lambda: np.array([solve(reward, kernel) for reward, kernel in zip(rewards, kernels, strict=True)])


def cpu_seconds(
    solvers: dict[str, Callable[[], np.ndarray]], repeats: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Least CPU seconds of each solver, and its answer. They take turns; peers, being slow, only three of them."""
    V = {name: solve() for name, solve in solvers.items()}
    seconds = dict.fromkeys(solvers, np.inf)
    for turn in range(repeats):
        for name, solve in solvers.items():
            if turn < 3 or name.startswith("tabular"):
                begin = time.process_time()
                solve()
                seconds[name] = min(seconds[name], time.process_time() - begin)
    return seconds, V


if __name__ == "__main__":
    batches()
