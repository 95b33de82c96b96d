"""Settings and seeds side by side: configurations padded to one shape, and their runs as the lanes of one batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deep import loop
from deep.agents import Hyper, SoftQ
from deep.config import FIELDS, SWEPT, Config
from deep.envs import Env
from deep.nets import stacked

RANDOM_BITS = "threefry2x32"
"""The generator of all random numbers; `loop.begin` has the same."""
WORKSPACE = 8
"""Copies of a layer's units for a batch that one update is assumed to hold."""


@dataclass(frozen=True)
class Lanes:
    """Runs of one batch: the seeds of the first setting, then those of the next."""

    configs: tuple[Config, ...]
    """One for each setting, with one value in each field."""
    seeds: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Settings and seeds."""
        return len(self.configs), len(self.seeds)

    @property
    def size(self) -> int:
        return len(self.configs) * len(self.seeds)

    def __iter__(self) -> Iterator[tuple[Config, int]]:
        return ((config, seed) for config in self.configs for seed in self.seeds)

    @property
    def widest(self) -> Config:
        """The configuration that all shapes are padded to."""
        largest = {
            name: max(getattr(config, name) for config in self.configs) for name in ("model_width", "distractors")
        }
        return self.configs[0].replace(**largest)

    @cached_property
    def agent(self) -> SoftQ:
        return self.widest.agent()

    @cached_property
    def envs(self) -> Env:
        """The environments of all lanes, stacked."""
        return stacked([config.environment(self.widest.distractors) for config, _ in self])  # type: ignore[arg-type]

    @cached_property
    def hyper(self) -> Hyper:
        return jax.tree.map(
            lambda *numbers: jnp.asarray(numbers, self.widest.dtype), *(config.hyper() for config, _ in self)
        )


def lanes(configs: Iterable[Config], seeds: Iterable[int] | int) -> Lanes:
    """The runs of some settings with some seeds.

    Raises:
      TypeError or ValueError for what is no configuration or no seed, or configurations that can't share a batch.
    """
    configs = tuple(setting for config in configs for setting in _config(config).settings())
    seeds = tuple(index(seed) for seed in (seeds if isinstance(seeds, Iterable) else (seeds,)))
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32 or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds = {seeds}, expected one or more different whole numbers from 0 to 2^32 - 1.")
    if not configs:
        raise ValueError("configs is empty, expected at least one configuration.")
    _compatible(configs)
    return Lanes(configs, seeds)


def _config(config: Any) -> Config:
    if not isinstance(config, Config):
        raise TypeError(f"{config!r} is a {type(config).__name__}, expected a deep.Config, such as a preset's.")
    return config


def _compatible(configs: Sequence[Config]) -> None:
    first = configs[0]
    for i, config in enumerate(configs):
        other = [name for name in FIELDS if name not in SWEPT and getattr(config, name) != getattr(first, name)]
        if other:
            raise ValueError(
                f"configs[{i}].{other[0]} = {getattr(config, other[0])!r} and configs[0].{other[0]} = "
                f"{getattr(first, other[0])!r} can't be in one batch: only {', '.join(SWEPT)} may differ. Train each "
                f"with a call of its own."
            )
    if first.gaussian and len({config.distractors for config in configs}) > 1:
        raise ValueError(
            "gaussian models of different numbers of distractors can't be in one batch: the means and deviations of "
            "what is padded would be learned too. Train each number with a call of its own."
        )


# the first state


def begin(lanes: Lanes, steps: int | None = None) -> loop.Run:
    """All lanes before their first step, with room for `steps` transitions, by default all.

    Networks are drawn in their own shape, then padded, so that no number depends on the other lanes. They are made on
    the CPU and stacked by NumPy: on an accelerator one small operation after the other takes its time.
    """
    like, steps = layout(lanes), lanes.widest.steps if steps is None else steps
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), like._replace(key=None, replay=None))
    made: dict[Any, loop.Run] = {}
    with _on_cpu():
        for config, seed in lanes:
            if (config.model_width, config.distractors, seed) not in made:
                made[config.model_width, config.distractors, seed] = _padded(_first(config, seed), one)
    chosen = [made[config.model_width, config.distractors, seed] for config, seed in lanes]
    runs = jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *chosen)
    # Zeros are made where they stay: a buffer for all steps may be most of the memory.
    replay = jax.tree.map(lambda x: jnp.zeros((lanes.size, steps, *x.shape[2:]), x.dtype), like.replay)
    return runs._replace(key=jax.random.wrap_key_data(runs.key, impl=RANDOM_BITS), replay=replay)


def layout(lanes: Lanes) -> loop.Run:
    """Shapes and types of all lanes' state, without computing anything."""
    widest = lanes.widest
    like = jax.eval_shape(lambda: loop.begin(widest.agent(), widest.environment(), (0,), widest.steps))
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((lanes.size, *x.shape[1:]), x.dtype), like)


def _first(config: Config, seed: int) -> loop.Run:
    """One run without its replay buffer, in NumPy's arrays."""
    runs = loop.begin(config.agent(), config.environment(), (seed,), 1)
    bare = runs._replace(key=jax.random.key_data(runs.key), replay=None)
    return jax.tree.map(lambda x: np.asarray(x)[0], bare)


def _padded(run: loop.Run, like: loop.Run) -> loop.Run:
    """Zeros added at the end of each axis, as `nets.padded` does."""

    def fill(small: np.ndarray, large: Any) -> np.ndarray:
        whole = np.zeros(large.shape, small.dtype)
        whole[tuple(slice(n) for n in small.shape)] = small
        return whole

    return jax.tree.map(fill, run._replace(key=None), like)._replace(key=run.key)


@contextmanager
def _on_cpu() -> Iterator[None]:
    try:
        cpu = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX was told to know none
        yield
        return
    with jax.default_device(cpu):
        yield


# memory


@dataclass(frozen=True)
class Size:
    """Bytes that a batch needs at least."""

    replay: int
    rest: int
    """What a checkpoint holds."""
    workspace: int
    """For one update."""

    @property
    def total(self) -> int:
        return self.replay + self.rest + self.workspace


def size(lanes: Lanes) -> Size:
    """Bytes of a batch, from shapes alone."""
    like, config = layout(lanes), lanes.widest
    replay = bytes_of(like.replay)
    units = 2 * config.model_width * config.model_layers + 2 * config.critic_width * config.critic_layers  # type: ignore[operator]
    update = WORKSPACE * lanes.size * config.batch * units * np.dtype(config.dtype).itemsize
    return Size(replay, bytes_of(like._replace(replay=None)), update)


def bytes_of(tree: Any) -> int:
    """Bytes of all arrays, or of the shapes that stand for them."""
    return sum(_bytes(leaf) for leaf in jax.tree.leaves(tree))


def _bytes(leaf: Any) -> int:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf.size * 8  # two words of threefry2x32
    return leaf.size * leaf.dtype.itemsize


def check_memory(lanes: Lanes) -> None:
    """Refuse a batch that can't fit into the device's memory, before anything is compiled.

    Raises:
      ValueError with the bytes needed and those there are.
    """
    need, there = size(lanes).total, device_memory()
    if there is not None and need > there:
        fit = int(lanes.size * there / need)
        settings, seeds = lanes.shape
        raise ValueError(
            f"{lanes.size} runs ({settings} settings, {seeds} seeds) of {lanes.widest.steps} steps need "
            f"{in_words(need)} of memory, and {in_words(there)} are free on {jax.devices()[0]}: take at most {fit} "
            f"runs at a time, or fewer steps."
        )


def device_memory() -> int | None:
    """Free bytes where arrays are kept; None if the system doesn't say."""
    stats = jax.devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    try:
        with open("/proc/meminfo") as file:
            (line,) = [line for line in file if line.startswith("MemAvailable")]
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):  # another system than Linux: all there is, free or not
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None


def in_words(n: int) -> str:
    """Bytes with a unit."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            return f"{n:.3g} {unit}" if n < 1000 else f"{n:,.0f} {unit}"
        n /= 1000  # type: ignore[assignment]
    return ""
