"""MDPs in files: `.npz` archives, and grid worlds as text.

An archive written by `save` has the key `mdpscope_version`, arrays and labels. A plain one made by
`np.savez(file, P=P, r=r, gamma=gamma)`, with `P` of shape (S, A, S) and optionally `rho` and `terminating`, loads too.
Nothing is ever unpickled.

A text file holds optional lines `name = value` and then a map as in `gridworld`:

    gamma = 0.95
    slip = 0.1
    rewards = G=1 T=-1
    absorbing = GT

    S..#G
    ..T..
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular.errors import suggestion
from tabular.geometry import Grid
from tabular.mdp import AnyMDP, SparseMDP, make_mdp
from tabular.output import appearing
from tabular.worlds.grid import gridworld

VERSION = 1
"""Version of the archive's layout; a later program reads all earlier ones."""


def save(mdp: AnyMDP, file: str | os.PathLike) -> Path:
    """Write an MDP to a `.npz` archive, with its labels and geometry; `load` gives back the same bits.

    The file appears complete or not at all: it is written beside its place and then moved there.

    Args:
      mdp: dense or sparse.
      file: a path that ends in .npz.

    Returns:
      The path.

    Raises:
      ValueError if the name doesn't end in .npz; TypeError for labels other than numbers, strings, None and tuples of
      these; OSError if it can't be written.
    """
    path = Path(file)
    if path.suffix != ".npz":
        raise ValueError(f"file = {str(path)!r}, expected a name that ends in .npz.")
    content: dict[str, Any] = {
        "mdpscope_version": VERSION,
        "r": np.asarray(mdp.r),
        "gamma": float(mdp.gamma),
        "rho": np.asarray(mdp.rho),
        "terminating": bool(mdp.terminating),
        "labels": _to_json({name: _plain(getattr(mdp, name), name) for name in ("states", "actions")}),
    }
    if isinstance(mdp, SparseMDP):
        content |= {f"kernel_{part}": getattr(mdp.kernel, part) for part in ("data", "indices", "indptr")}
    else:
        content["P"] = np.asarray(mdp.P)
    if mdp.grid is not None:
        content |= {f"grid_{field.name}": _pairs(getattr(mdp.grid, field.name)) for field in dataclasses.fields(Grid)}
    with appearing(path) as (beside,), open(beside, "wb") as stream:
        np.savez(stream, **content)
    return path


def load(file: str | os.PathLike, *, gamma: float | None = None) -> AnyMDP:
    """Read an MDP from a `.npz` archive (by its ending) or a text file with a grid world (any other).

    Args:
      file: the path.
      gamma: a discount to use instead of the file's; a plain archive then needs none.

    Raises:
      FileNotFoundError; ValueError, naming the file (in a text file also the line), for a broken archive, a missing
      key, an archive of a later version, an unknown setting or bad value, and for content that is no valid MDP.
    """
    path = Path(file)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    if path.is_dir():
        raise ValueError(f"{path} is a directory, expected a .npz archive or a text file with a grid world.")
    try:
        return _read_archive(path, gamma) if path.suffix == ".npz" else _read_text(path, gamma)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


# archives


def _read_archive(path: Path, gamma: float | None) -> AnyMDP:
    content = _unzip(path)
    if gamma is not None:
        content["gamma"] = np.array(gamma)
    if "mdpscope_version" not in content:
        _require(content, "P", "r", "gamma")
        return _make(content, content["P"])
    version = content["mdpscope_version"]
    if version.shape != () or version.dtype.kind != "i" or not 1 <= version <= VERSION:
        raise ValueError(f"mdpscope_version is {version}, this program reads 1 to {VERSION}. Is it from a later one?")
    _require(content, "r", "gamma", "rho", "terminating", "labels")
    more = {**_labels(content["labels"]), "grid": _grid(content)}
    if "P" in content:
        mdp = _make(content, content["P"], **more).to_dense()
        return dataclasses.replace(mdp, P=_stored(content["P"], mdp.P), rho=_stored(content["rho"], mdp.rho))
    kernel = _kernel(content)
    rows = np.arange(content["r"].size).reshape(content["r"].shape[::-1]).T.reshape(-1)
    mdp = _make(content, kernel[rows], **more).to_sparse()
    mdp.kernel.data = _stored(kernel.data, mdp.kernel.data)
    return dataclasses.replace(mdp, rho=_stored(content["rho"], mdp.rho))


def _make(content: dict[str, np.ndarray], P, **more) -> AnyMDP:
    terminating = content.get("terminating", np.array(False))
    for name, value, kinds in (("gamma", content["gamma"], "fiu"), ("terminating", terminating, "biu")):
        if value.size != 1 or value.dtype.kind not in kinds:
            raise ValueError(f"{name} has shape {value.shape} and type {value.dtype}, expected a single value.")
    gamma = content["gamma"].item()
    return make_mdp(P, content["r"], gamma=gamma, rho=content.get("rho"), terminating=bool(terminating.item()), **more)


def _stored(array: np.ndarray, normalised: np.ndarray) -> np.ndarray:
    """The array as stored: once checked and equal up to rounding, normalising it again would only move last bits."""
    if array.shape != normalised.shape or not (abs(array - normalised) <= 64 * np.finfo(float).eps).all():
        return normalised
    array.flags.writeable = False
    return array


def _kernel(content: dict[str, np.ndarray]) -> sp.csr_matrix:
    """The kernel of a sparse MDP as stored: rows `a * S + s`."""
    _require(content, "kernel_data", "kernel_indices", "kernel_indptr")
    if content["r"].ndim != 2:
        raise ValueError(f"r has shape {content['r'].shape}, expected (S, A).")
    parts = content["kernel_data"], content["kernel_indices"], content["kernel_indptr"]
    try:
        kernel = sp.csr_matrix(parts, shape=(content["r"].size, len(content["r"])))
        kernel.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"the sparse kernel is damaged ({error}).") from error
    return kernel


def _require(content: dict[str, np.ndarray], *keys: str) -> None:
    missing = [key for key in keys if key not in content]
    if missing:
        raise ValueError(
            f"no array named {', '.join(missing)}; it holds {', '.join(sorted(content)) or 'none'}. Expected P of "
            "shape (S, A, S), r of shape (S, A) and gamma, and optionally rho and terminating."
        )


def _unzip(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise ValueError("not a .npz archive, or a damaged one (np.savez makes them).")
    try:
        with np.load(path, allow_pickle=False) as archive:
            members = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"a damaged .npz archive, or one with objects instead of numbers ({error}).") from error
    return {name: array for name, array in members.items() if isinstance(array, np.ndarray)}


def _to_json(value) -> np.ndarray:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def _labels(stored: np.ndarray) -> dict[str, tuple | None]:
    try:
        labels = json.loads(stored.tobytes().decode())
        return {name: _tuples(labels[name]) for name in ("states", "actions")}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the array labels is damaged ({error}).") from error


def _plain(label, name: str):
    """A label as JSON can hold it: NumPy scalars as Python's, tuples as lists."""
    if isinstance(label, tuple):
        return [_plain(part, name) for part in label]
    if isinstance(label, np.generic):
        label = label.item()
    if label is None or isinstance(label, (bool, int, float, str)):
        return label
    raise TypeError(f"{name} has the label {label!r}, expected numbers, strings, None or tuples of these to save.")


def _tuples(value):
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _pairs(coordinates) -> np.ndarray:
    return np.array(sorted(coordinates) if isinstance(coordinates, frozenset) else coordinates, dtype=np.int64)


def _grid(content: dict[str, np.ndarray]) -> Grid | None:
    if "grid_shape" not in content:
        return None
    _require(content, *(f"grid_{field.name}" for field in dataclasses.fields(Grid)))

    def pairs(name: str):
        return (tuple(pair) for pair in content[f"grid_{name}"].tolist())

    return Grid(
        shape=tuple(content["grid_shape"].tolist()),
        cells=tuple(pairs("cells")),
        walls=frozenset(pairs("walls")),
        starts=frozenset(pairs("starts")),
        goals=frozenset(pairs("goals")),
        moves=tuple(pairs("moves")),
    )


# text


def _read_text(path: Path, gamma: float | None) -> AnyMDP:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"neither a .npz archive nor UTF-8 text ({error.reason} at byte {error.start}).") from error
    settings: dict[str, Any] = {}
    where: dict[str, int] = {}
    top = next((number for number, line in enumerate(lines) if line.strip() and "=" not in line), len(lines))
    for number, line in enumerate(lines[:top], start=1):
        if line.strip():
            name, value = _setting(line, number)
            if name in settings:
                raise ValueError(f"line {number}: {name} was given before, on line {where[name]}.")
            settings[name], where[name] = value, number
    if gamma is not None:
        settings["gamma"] = gamma
        where.pop("gamma", None)
    try:
        return gridworld("\n".join(lines[top:]), **settings)
    except (ValueError, TypeError) as error:
        name = str(error).split()[0].split("[")[0]
        place = f"line {where[name]}" if name in where else f"map from line {top + 1}"
        raise ValueError(f"{place}: {error}") from error


def _setting(line: str, number: int) -> tuple[str, Any]:
    name, _, text = (part.strip() for part in line.partition("="))
    if name not in _SETTINGS:
        hint = suggestion(name, _SETTINGS)
        raise ValueError(f"line {number}: unknown setting {name!r}.{hint} Known are {', '.join(_SETTINGS)}.")
    try:
        return name, _SETTINGS[name](text)
    except ValueError as error:
        raise ValueError(f"line {number}: {name} = {text!r}, expected {error}.") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError("a number") from error


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _rewards(text: str) -> dict[str, float]:
    pairs = [pair.rpartition("=") for pair in text.replace(",", " ").split()]
    try:
        rewards = {mark: float(value) for mark, _, value in pairs}
    except ValueError as error:
        raise ValueError("pairs of character and number such as G=1 T=-1") from error
    if len(rewards) < len(pairs):
        raise ValueError("each character once")
    return rewards


_SETTINGS: dict[str, Callable[[str], Any]] = {
    "gamma": _number,
    "slip": _number,
    "slip_kind": str,
    "step_reward": _number,
    "rewards": _rewards,
    "absorbing": str,
    "stay": _flag,
}
