"""Speed of training on CartPole, against loops that people write: python -m tests.benchmarks.deep

Steps of all runs together per second, one update after each step, of OMD and maximum likelihood with the published
networks, halfway through a run. The references learn by the very same updates:

    step by step    the same compiled step, called from a loop in Python
    host buffer     Gymnasium's environment, a buffer in NumPy, one compiled update after each step
    as published    the same loop with the buffer of Nikishin et al.'s program: JAX's arrays, copied for each
                    transition, and all indices shuffled for each batch

Ratios are of wall-clock seconds and of CPU seconds, measured in turns in one process. Compilation isn't counted.

Then where the time of a step goes, by leaving parts out: an agent that only acts, one that also draws its batch, and
one whose critic learns from it without a model. What a method takes beyond that is its model's. And what no program for
this processor could save: the operations of an update, at the rate of a plain product of its largest matrices.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from deep.agents import METHODS, Hyper, Learner, Losses, SoftQ
from deep.agents.soft_q import Sample
from deep.envs import CartPole
from deep.lanes import in_words, lanes, size
from deep.loop import Run, act, begin, chunk
from deep.nets import stacked
from deep.presets import omd_cartpole
from deep.replay import Transitions

BATCH, RANDOM = 256, 1000
COLUMNS = [((4,), np.float32), ((), np.int32), ((), np.float32), ((4,), np.float32), ((), np.float32)]
"""Shape and type of s, a, r, s' and whether it goes on."""
MIDWAY = 100_000
"""Transitions in the buffer when the clock starts: half of the published 200,000."""
TURNS = 3
SEEDS = {"cpu": (1, 4, 10), "gpu": (1, 10, 50, 100)}
AGENTS = {
    "omd": SoftQ(METHODS["omd"], warm_moments=False),
    "mle": SoftQ(METHODS["mle"]),
}
ENV = CartPole()

Advance = Callable[[int], None]
"""Take this many steps."""


def compiled(agent: SoftQ, seeds: int, room: int, each: int | None = None) -> Advance:
    """Ours: all steps in one compiled call, or `each` in a call."""
    hyper, envs = _hyper(seeds), stacked([ENV] * seeds)
    runs, position = _midway(agent, begin(agent, ENV, tuple(range(seeds)), room), hyper), MIDWAY

    def take(steps: int) -> None:
        nonlocal runs, position
        length = each or steps
        for _ in range(0, steps, length):
            runs, _ = chunk(agent, envs, runs, hyper, jnp.int32(position), length=length, batch=BATCH, learning=True)
            position += length
        jax.block_until_ready(runs)

    return take


def step_by_step(agent: SoftQ, seeds: int, room: int) -> Advance:
    """One compiled call for each step."""
    return compiled(agent, seeds, room, each=1)


class HostBuffer:
    """Transitions in NumPy's arrays, batches by a generator that draws no more than it needs."""

    def __init__(self, room: int):
        self.columns = [np.empty((room, *shape), dtype) for shape, dtype in COLUMNS]
        self.rng = np.random.default_rng(0)

    def write(self, at: int | slice, transition: Sequence[Any]) -> None:
        for column, number in zip(self.columns, transition, strict=True):
            column[at] = number

    def batch(self, n: int) -> Transitions:
        at = self.rng.choice(n, BATCH, replace=False)
        return Transitions(*(column[at] for column in self.columns))


class PublishedBuffer:
    """As in the authors' program: JAX's arrays, new ones for each transition; all indices are shuffled for a batch."""

    def __init__(self, room: int):
        self.columns = [jnp.zeros((room, *shape), dtype) for shape, dtype in COLUMNS]
        self.rng = np.random.RandomState(0)

    def write(self, at: int | slice, transition: Sequence[Any]) -> None:
        pairs = zip(self.columns, transition, strict=True)
        self.columns = [column.at[at].set(np.asarray(number, column.dtype)) for column, number in pairs]

    def batch(self, n: int) -> Transitions:
        at = self.rng.choice(n, BATCH, replace=False)
        return Transitions(*(column[at] for column in self.columns))


def on_the_host(agent: SoftQ, room: int, buffer: HostBuffer | PublishedBuffer) -> Advance:
    """Gymnasium's environment, a buffer, a compiled update for each step, whose losses are read. One run.

    The two batches of MLE are one here, and numbers are in float32, not float64 as in the authors' program: both are in
    its favour.
    """
    env, rng = gymnasium.make("CartPole-v1"), np.random.default_rng(0)
    hyper = Hyper()
    learner = agent.init(jax.random.key(0), ENV)
    choose = jax.jit(lambda critic, s, key: act(agent, hyper, critic, s, hyper.epsilon, key))
    update = jax.jit(lambda learner, batch, key: agent.update(agent, hyper, learner, lambda _: batch, key))
    n, s = 0, env.reset(seed=0)[0]

    def move(a: int) -> tuple[Any, ...]:
        nonlocal s
        s_next, r, over, late, _ = env.step(a)
        transition = s, a, r, s_next, 1.0 - over
        s = env.reset()[0] if over or late else s_next
        return transition

    some = [np.stack(column) for column in zip(*(move(int(rng.integers(2))) for _ in range(RANDOM)), strict=True)]
    buffer.write(slice(MIDWAY), [np.resize(column, (MIDWAY, *column.shape[1:])) for column in some])
    n = MIDWAY

    def take(steps: int) -> None:
        nonlocal learner, n
        for k in jax.random.split(jax.random.key(n), (steps, 2)):
            buffer.write(n, move(int(choose(learner.critic, jnp.asarray(s), k[0]))))
            n += 1
            learner, losses = update(learner, buffer.batch(n), k[1])
            for loss in losses:
                loss.item()

    return take


def _midway(agent: SoftQ, runs: Run, hyper: Hyper) -> Run:
    """Random steps, over and over in the buffer."""
    envs = stacked([ENV] * len(runs.key))
    runs, _ = chunk(agent, envs, runs, hyper, jnp.int32(0), length=RANDOM, batch=BATCH, learning=False)
    often = MIDWAY // RANDOM

    def full(x: jax.Array) -> jax.Array:
        return x.at[:, :MIDWAY].set(jnp.tile(x[:, :RANDOM], (1, often, *[1] * (x.ndim - 2))))

    return runs._replace(replay=jax.tree.map(full, runs.replay))


def _hyper(seeds: int) -> Hyper:
    return jax.tree.map(lambda x: jnp.full(seeds, x, jnp.float32), Hyper())


def rates(loops: dict[str, tuple[Advance, int, int]]) -> dict[str, tuple[float, float]]:
    """Steps of all runs per second, of the wall's clock and of the CPU: the best turn, the first not counted."""
    best = dict.fromkeys(loops, (0.0, 0.0))
    for turn in range(TURNS + 1):
        for name, (take, steps, runs) in loops.items():
            wall, cpu = time.perf_counter(), time.process_time()
            take(steps)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if turn:
                best[name] = tuple(
                    max(old, steps * runs / new) for old, new in zip(best[name], (wall, cpu), strict=True)
                )
    return best


def parts(steps: int) -> dict[str, float]:
    """Microseconds of CPU time of one step of one run, with more and more of it done."""

    def acts(agent: SoftQ, hyper: Hyper, learner: Learner, draw: Sample, key: jax.Array) -> tuple[Learner, Losses]:
        return learner, Losses(jnp.float32(0), jnp.float32(0))

    def draws(agent: SoftQ, hyper: Hyper, learner: Learner, draw: Sample, key: jax.Array) -> tuple[Learner, Losses]:
        seen = sum(jnp.sum(x.astype(jnp.float32)) for x in draw(key))
        return learner, Losses(jnp.asarray(seen), jnp.float32(0))

    agents = {"acts": SoftQ(acts), "draws a batch": SoftQ(draws), "Q, no model": SoftQ(METHODS["model_free"])}
    room = MIDWAY + (TURNS + 1) * steps
    loops = {name: (compiled(agent, 1, room), steps, 1) for name, agent in (agents | AGENTS).items()}
    return {name: 1e6 / cpu for name, (_, cpu) in rates(loops).items()}


def least(agent: SoftQ, rate: float) -> tuple[float, float]:
    """Floating-point operations of one update, as XLA counts them, and the microseconds they take at a rate."""
    dtype = ENV.dtype
    batch = Transitions(
        jnp.zeros((BATCH, 4), dtype), jnp.zeros(BATCH, jnp.int32), jnp.ones(BATCH, dtype), jnp.zeros((BATCH, 4), dtype),
        jnp.ones(BATCH, dtype),
    )  # fmt: skip
    key = jax.random.key(0)
    update = jax.jit(lambda learner: agent.update(agent, Hyper(), learner, lambda _: batch, key)[0])
    flops = (update.lower(agent.init(key, ENV)).compile().cost_analysis() or {})["flops"]
    return flops, 1e6 * flops / rate


def product_rate(times: int = 20_000) -> float:
    """Operations a second of the product of a hidden layer, (256, 32) by (32, 32): the best of three turns."""
    W = jnp.linspace(-0.1, 0.1, 32 * 32, dtype=ENV.dtype).reshape(32, 32)
    run = jax.jit(lambda x: jax.lax.fori_loop(0, times, lambda _, x: x @ W, x))
    x = jax.block_until_ready(run(jnp.ones((BATCH, 32), ENV.dtype)))
    best = np.inf
    for _ in range(TURNS):
        start = time.process_time()
        jax.block_until_ready(run(x))
        best = min(best, time.process_time() - start)
    return 2 * BATCH * 32 * 32 * times / best


def memory() -> tuple[int, int]:
    """Bytes of one run of the published length: its buffer, and everything else but what an update works with."""
    need = size(lanes([omd_cartpole()], (0,)))
    return need.replay, need.rest


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000, help="of ours, each turn; the references take fewer")
    steps = parser.parse_args().steps
    device = jax.devices()[0]
    print(
        f"{device.device_kind}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; steps of all runs per second"
    )
    print(f"{'':34} {'wall':>10} {'CPU':>10} {'ours/this, wall':>16} {'CPU':>8}")
    for method, agent in AGENTS.items():
        room = MIDWAY + (TURNS + 1) * steps
        for seeds in SEEDS["cpu" if device.platform == "cpu" else "gpu"]:
            loops = {"compiled": (compiled(agent, seeds, room), steps, seeds)}
            loops["step by step"] = (step_by_step(agent, seeds, room), steps // 4, seeds)
            if seeds == 1:
                loops["host buffer"] = (on_the_host(agent, room, HostBuffer(room)), steps // 10, 1)
                loops["as published"] = (on_the_host(agent, room, PublishedBuffer(room)), steps // 10, 1)
            found = rates(loops)
            ours = found["compiled"]
            for name, (wall, cpu) in found.items():
                ratio = f"{ours[0] / wall:16.2f} {ours[1] / cpu:8.2f}" if name != "compiled" else ""
                print(f"{method}, {seeds:3} seeds: {name:16} {wall:10.0f} {cpu:10.0f} {ratio}", flush=True)
    print("\nmicroseconds of CPU time of one step, one seed")
    for name, cost in parts(steps).items():
        print(f"{name:16} {cost:6.0f}", flush=True)
    if device.platform == "cpu":
        rate = product_rate()
        for method, agent in AGENTS.items():
            flops, cost = least(agent, rate)
            print(f"{method}: {flops / 1e6:.1f} MFLOP an update, {cost:.0f} us at {rate / 1e9:.0f} GFLOP/s")
    replay, rest = memory()
    print(f"\nmemory of one run of 200,000 steps: buffer {in_words(replay)}, networks and moments {in_words(rest)}")


if __name__ == "__main__":
    main()
