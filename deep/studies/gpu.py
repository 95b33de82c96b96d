"""The CartPole studies at full size on a GPU, one command for each study and method:

    python -m deep.studies.gpu --out results --study omd-fig5 --method omd

trains 6 settings with 10 seeds for 200,000 steps as one batch of 60 runs, and stops in good time before ten minutes
are over; the same command goes on. Once all methods of a study are complete its figures are written. `--speed` measures
steps per second over the number of seeds. Without a GPU it says what the work would take, and does nothing more.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from deep import loop, sweep
from deep.lanes import begin, in_words, lanes, size
from deep.presets import omd_cartpole
from deep.studies import omd_cartpole as figures
from deep.sweep import METHODS, Sweep
from deep.tables import table
from tabular.output import write
from tabular.studies.record import save, to_csv

SEEDS = (1, 10, 50, 100)
"""Of the measurements of speed."""
OPERATIONS = (230, 420)
"""Of one step, as compiled: each is a launch on a GPU."""
LAUNCH = (3e-6, 5e-6)
"""Seconds of one."""
RANDOM, SHORT = 1000, 200


class OutOfTime(Exception):
    """The command's time is over; what was trained is kept."""


class Clock:
    """Told of steps: says how it goes, and stops the training in time."""

    def __init__(self, seconds: float, steps: int) -> None:
        self.began, self.seconds, self.steps, self.done = time.perf_counter(), seconds, steps, 0

    def __call__(self, taken: int) -> None:
        self.done += taken
        gone = time.perf_counter() - self.began
        if self.done % (10 * taken) == 0:
            print(f"  {self.done:7} steps in {gone:5.0f} s", flush=True)
        if gone > self.seconds and self.done < self.steps:
            raise OutOfTime(f"stopped after {gone:.0f} s; the same command goes on")


def small(chosen: Sweep) -> Sweep:
    """The same work, hardly any of it: two settings of each method, two seeds, 1200 steps."""
    configs = [c for m in METHODS for c in [c for c in chosen.configs if c.method == m][:2]]
    return Sweep(tuple(configs), (0, 1)).replace(steps=RANDOM + SHORT, random_steps=RANDOM, chunk=SHORT)


def train(chosen: Sweep, method: str, folder: Path, seconds: float) -> None:
    """One method's runs of a study, in one batch."""
    mine = Sweep(tuple(c for c in chosen.configs if c.method == method), chosen.seeds)
    need = size(lanes(mine.configs, mine.seeds))
    runs = len(mine.configs) * len(mine.seeds)
    print(
        f"{folder.name}, {method}: {runs} runs, {in_words(need.total)}, {in_words(need.total // runs)} each", flush=True
    )
    found = sweep.complete(mine, folder, Clock(seconds, mine.configs[0].steps))
    print(table(list(dict.fromkeys(found.values()))), flush=True)


def draw(study: str, chosen: Sweep, out: Path, quick: bool) -> None:
    """The figures of a study whose runs are all there."""
    found = sweep.complete(chosen, out / "runs" / study)
    record = figures.returns(chosen, found, study, quick, time.perf_counter())
    picture = {"omd-fig5": figures.draw_fig5, "omd-fig6": figures.draw_fig6}[study]
    paths = save(record, picture(record), out)
    if study == "omd-fig5":
        record = figures.next_state_errors(chosen, found, quick, time.perf_counter())
        paths += save(record, figures.draw_table1(record), out)
    print(*paths, sep="\n")


def rate(method: str, seeds: int, steps: int) -> tuple[float, float]:
    """Steps of all runs per second, evaluation left out, and bytes of memory for each run of this length."""
    config = omd_cartpole(method=method, steps=RANDOM + 2 * steps, random_steps=RANDOM, chunk=steps)
    batch = lanes([config], range(seeds))
    runs, sizes = begin(batch), {"length": steps, "batch": config.batch}
    runs, _ = loop.chunk(
        batch.agent, batch.envs, runs, batch.hyper, jnp.int32(0), **(sizes | {"length": RANDOM}), learning=False
    )
    for k in range(2):  # the first one compiles
        began = time.perf_counter()
        at = jnp.int32(RANDOM + k * steps)
        runs, _ = loop.chunk(batch.agent, batch.envs, runs, batch.hyper, at, **sizes, learning=True)
        jax.block_until_ready(runs)
    full = lanes([config.replace(steps=200_000, random_steps=1000, chunk=1000)], (0,))
    return steps * seeds / (time.perf_counter() - began), size(full).total


def speed(out: Path, seeds: Sequence[int], steps: int) -> None:
    """Write speed.csv: steps of all runs per second over the number of seeds."""
    rows = []
    for method in METHODS:
        for n in seeds:
            found, memory = rate(method, n, steps)
            rows.append({"device": device(), "method": method, "seeds": n, "steps_per_second": found, "bytes": memory})
            print(f"{method}, {n:3} seeds: {found:9.0f} steps/s of all runs; {in_words(int(memory))} each", flush=True)
    write(out / "speed.csv", to_csv(rows).rstrip("\n"))


def device() -> str:
    return jax.devices()[0].device_kind


def estimate(steps: int = 200_000, runs: int = 60) -> str:
    """What the work would take: measured here, reckoned for a GPU."""
    found = {method: rate(method, 1, SHORT)[0] for method in METHODS}
    hours = ", ".join(f"{m} {steps * runs / x / 3600:.1f} h ({x:.0f} steps/s)" for m, x in found.items())
    least, most = np.prod([OPERATIONS, LAUNCH], axis=0) * steps
    return (
        f"There is no GPU: JAX computes on {device()}. {runs} runs of {steps:,} steps would take, from {SHORT} steps "
        f"measured with one seed: {hours}. On a data-centre GPU {least:.0f} to {most:.0f} s are reckoned, for any "
        f"method and up to about 100 runs: {OPERATIONS[0]} to {OPERATIONS[1]} operations a step of "
        f"{LAUNCH[0] * 1e6:.0f} to {LAUNCH[1] * 1e6:.0f} microseconds each. That isn't measured."
    )


def main(argv: list[str] | None = None) -> int:
    """Train, measure or estimate; returns the exit status: 0, or 3 if time ran out."""
    parser = argparse.ArgumentParser(prog="python -m deep.studies.gpu", description=str(__doc__).split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where runs and figures go")
    parser.add_argument("--study", nargs="+", choices=sweep.SWEEPS, default=[*sweep.SWEEPS])
    parser.add_argument("--method", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--minutes", type=float, default=9.0, help="for each study and method (default: 9)")
    parser.add_argument("--speed", action="store_true", help="measure speed, train nothing")
    parser.add_argument("--small", action="store_true", help="hardly any of it, on any device: does it work?")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    arguments = parser.parse_args(argv)
    print(f"{device()}, JAX {jax.__version__}", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    on_gpu = jax.default_backend() != "cpu"
    if arguments.speed:
        short = not on_gpu or arguments.small
        speed(arguments.out, SEEDS[:1] if short else SEEDS, SHORT if short else 1000)
        return 0
    if not (on_gpu or arguments.small or arguments.dry_run):
        print(estimate())
        return 0
    return _train(arguments)


def _train(arguments: argparse.Namespace) -> int:
    for study in arguments.study:
        chosen = small(sweep.find(study)) if arguments.small else sweep.find(study)
        folder = arguments.out / "runs" / study
        for method in arguments.method:
            if arguments.dry_run:
                n = sum(c.method == method for c in chosen.configs)
                print(f"{study}, {method}: {n} settings, {len(chosen.seeds)} seeds, {chosen.configs[0].steps} steps")
                continue
            try:
                train(chosen, method, folder, 60 * arguments.minutes)
            except OutOfTime as stop:
                print(f"{study}, {method}: {stop}", file=sys.stderr)
                return 3
        if not arguments.dry_run and not sweep.missing(chosen, folder):
            draw(study, chosen, arguments.out, arguments.small)
    return 0


if __name__ == "__main__":
    sys.exit(main())
