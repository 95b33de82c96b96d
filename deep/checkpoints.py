"""The state of a batch on disk, so that a run that was killed goes on bit by bit as if it had not been.

After each chunk: its transitions, in a file that never changes; a line of metrics; then a checkpoint of everything
else, which says that the chunk is complete. What a killed run left beyond its last checkpoint is dropped.

    replay/000001000.npz        transitions up to step 1000, since the file before
    checkpoints/000001000/      keys, actors, networks and moments after step 1000 (orbax); the last two are kept
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, UInt8

from deep import loop
from deep.lanes import RANDOM_BITS, Lanes, layout
from deep.replay import Replay, Transitions
from tabular.output import appearing

KEPT = 2
"""Checkpoints. The last but one is there in case the disk lost the last one."""
REPLAY, CHECKPOINTS = "replay", "checkpoints"


def save(folder: Path, runs: loop.Run, before: int, step: int) -> None:
    """Keep the transitions of one chunk, then everything else."""
    save_replay(folder, runs.replay, before, step)
    save_rest(folder, runs, step)


def save_replay(folder: Path, replay: Replay, before: int, step: int) -> None:
    """The transitions since step `before`."""
    part = jax.device_get(_part(replay.data, jnp.int32(before), step - before))
    path = folder / REPLAY / f"{step:09d}.npz"
    with appearing(path) as (beside,), beside.open("wb") as file:
        np.savez(file, **part._asdict())


def save_rest(folder: Path, runs: loop.Run, step: int) -> None:
    """All but the replay buffer. Complete when the folder has its name; then the oldest one goes."""
    with _quietly():
        _checkpointer().save(place(folder, step), pack(runs._replace(replay=None)))
    for old in steps(folder)[:-KEPT]:
        shutil.rmtree(place(folder, old))


def steps(folder: Path) -> list[int]:
    """Steps after which there is a complete checkpoint, in order."""
    return sorted(int(path.name) for path in (folder / CHECKPOINTS).glob("*") if re.fullmatch(r"\d{9}", path.name))


def load(folder: Path, lanes: Lanes, step: int) -> loop.Run:
    """The state after a checkpoint.

    Raises:
      OSError, naming the file, if one is missing or isn't what this configuration writes.
    """
    like = layout(lanes)
    path = place(folder, step)
    try:
        with _quietly():
            packed = _checkpointer().restore(path)
        runs = unpack(np.asarray(packed), like._replace(replay=None))
    except (ValueError, OSError, KeyError) as error:
        raise OSError(f"can't read {path}: {error}") from error
    return runs._replace(replay=load_replay(folder, like.replay, step))


def load_replay(folder: Path, like: Replay, step: int) -> Replay:
    """The buffer after a step, from all files up to there."""
    data = {name: np.zeros(x.shape, x.dtype) for name, x in like.data._asdict().items()}
    begin = 0
    for path in sorted((folder / REPLAY).glob("*.npz")):
        end = int(path.stem)
        if end > step:
            break
        _read_part(path, data, begin, end)
        begin = end
    if begin != step:
        raise OSError(f"can't read {folder / REPLAY}: transitions after step {begin} are missing, up to step {step}.")
    return Replay(Transitions(**{name: jnp.asarray(column) for name, column in data.items()}))


def _read_part(path: Path, data: dict[str, np.ndarray], begin: int, end: int) -> None:
    try:
        with np.load(path) as part:
            for name, column in data.items():
                column[:, begin:end] = part[name]
    except (ValueError, OSError, KeyError) as error:
        raise OSError(f"can't read {path}: {error}") from error


def clean(folder: Path, step: int) -> None:
    """Drop what a killed run left beyond the checkpoint at this step."""
    for path in (folder / REPLAY).iterdir():
        if not re.fullmatch(r"\d{9}\.npz", path.name) or int(path.stem) > step:
            path.unlink()
    for path in (folder / CHECKPOINTS).iterdir():
        if not re.fullmatch(r"\d{9}", path.name):
            shutil.rmtree(path)


# a state as one row of bytes: orbax takes milliseconds for one array, and a tenth of a second for a hundred


def pack(tree: Any) -> UInt8[np.ndarray, " bytes"]:
    """All arrays of a tree one after the other, bit by bit."""
    leaves = jax.device_get([_numbers(leaf) for leaf in jax.tree.leaves(tree)])
    return np.concatenate([np.ascontiguousarray(leaf).reshape(-1).view(np.uint8) for leaf in leaves])


def unpack(packed: UInt8[np.ndarray, " bytes"], like: Any) -> Any:
    """What was packed, in a tree of these shapes and types.

    Raises:
      ValueError if it is of another length.
    """
    leaves, tree = jax.tree.flatten(like)
    parts = [_bytes_as(leaf) for leaf in leaves]
    ends = np.cumsum([np.prod(shape, dtype=int) * dtype.itemsize for shape, dtype in parts])
    if packed.shape != (ends[-1],):
        raise ValueError(f"it holds {packed.size} bytes, and this configuration's state has {ends[-1]}.")
    pieces = np.split(packed, ends[:-1])
    arrays = [piece.view(dtype).reshape(shape) for piece, (shape, dtype) in zip(pieces, parts, strict=True)]
    return jax.tree.unflatten(tree, [_restored(x, leaf) for x, leaf in zip(arrays, leaves, strict=True)])


def _numbers(leaf: Array) -> Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _bytes_as(leaf: Any) -> tuple[tuple[int, ...], np.dtype]:
    return ((*leaf.shape, 2), np.dtype(np.uint32)) if _is_key(leaf) else (leaf.shape, np.dtype(leaf.dtype))


def _restored(x: np.ndarray, leaf: Any) -> Array:
    return jax.random.wrap_key_data(jnp.asarray(x), impl=RANDOM_BITS) if _is_key(leaf) else jnp.asarray(x)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


@partial(jax.jit, static_argnums=2)
def _part(data: Transitions, begin: Array, length: int) -> Transitions:
    return jax.tree.map(lambda column: lax.dynamic_slice_in_dim(column, begin, length, 1), data)


def place(folder: Path, step: int) -> Path:
    """Where the checkpoint after a step is."""
    return (folder / CHECKPOINTS / f"{step:09d}").absolute()


@cache
def _checkpointer() -> Any:
    import orbax.checkpoint as ocp  # takes a second

    return ocp.Checkpointer(ocp.ArrayCheckpointHandler())


@contextmanager
def _quietly() -> Iterator[None]:
    """Without orbax's warning that it merges no parts, since there are none."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
