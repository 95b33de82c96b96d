"""What a study leaves behind: rows, settings and versions in memory; a CSV, a picture and a JSON file on disk."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from tabular.output import write_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PACKAGES = ("mdpscope", "numpy", "scipy", "jax", "jaxlib", "optax", "matplotlib")


@dataclass(frozen=True)
class Published:
    """A number that somebody published and the one found here."""

    quantity: str
    value: float
    """As published."""
    ours: float
    source: str
    """Where it was published: the paper's text or figure, the authors' code or what their notebook printed."""

    @property
    def off(self) -> float:
        """Distance of ours from the published value."""
        return abs(self.ours - self.value)


@dataclass(frozen=True)
class Difference:
    """Something that a paper says and its published code does otherwise; each field is a phrase or sentence."""

    subject: str
    paper: str
    code: str
    here: str
    """What this study does, and how the other is asked for."""
    effect: str
    """What it changes, in measured numbers."""


@dataclass(frozen=True)
class Record:
    """Numbers of a figure and how they came about."""

    name: str
    """Name of the study."""
    rows: tuple[Mapping[str, Any], ...]
    """One for each point, in long form: the settings that tell it apart, then `spread`. All have the same keys."""
    settings: Mapping[str, Any]
    """What was run, in plain values that JSON can hold."""
    seeds: tuple[int, ...]
    quick: bool
    """Whether this is the short form of the study, whose numbers aren't those of the figure."""
    seconds: float
    """Wall-clock time of the run, compilation included."""
    versions: Mapping[str, str]
    tables: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """Further tables by name, each a list of rows like `rows`; written as STUDY-TABLE.csv."""
    published: tuple[Published, ...] = ()
    """Numbers that were published, beside ours."""
    differences: tuple[Difference, ...] = ()
    """Where the paper and its published code disagree, and what that changes."""

    def column(self, name: str, **where: Any) -> np.ndarray:
        """A column of the rows with the given settings: `record.column("mean", method="mle")`.

        Raises:
          ValueError if no row has these settings.
        """
        chosen = [row[name] for row in self.rows if all(row[key] == value for key, value in where.items())]
        if not chosen:
            raise ValueError(f"{self.name} has no row with {where}; its columns are {', '.join(self.rows[0])}.")
        return np.array(chosen)


def spread(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Mean over seeds, population standard deviation (ddof = 0), standard error sd / sqrt(n), and n."""
    values = np.asarray(values, dtype=float)
    sd = float(values.std())
    return {"mean": float(values.mean()), "sd": sd, "se": sd / math.sqrt(len(values)), "n": len(values)}


def versions() -> dict[str, str]:
    """Versions of Python and of what the numbers depend on, and the machine they were computed on."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


@contextmanager
def bar(name: str, total: int, progress: bool, unit: str = "step") -> Iterator[tqdm]:
    """The progress bar of a study: `.update(n)` as it goes, `.set_postfix_str(text)` to say where it is."""
    with tqdm(total=total, desc=name, unit=unit, disable=not progress) as shown:
        yield shown


def save(record: Record, figure: Figure, out: Path | str) -> list[Path]:
    """Write NAME.csv (and NAME-TABLE.csv), NAME.png and NAME.json to a directory, made if need be; returns their paths.

    Each file appears complete or not at all, and none before all could be written.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=200, metadata={"Software": None})
    contents = {
        f"{record.name}.csv": to_csv(record.rows).encode(),
        **{f"{record.name}-{table}.csv": to_csv(rows).encode() for table, rows in record.tables.items()},
        f"{record.name}.png": picture.getvalue(),
        f"{record.name}.json": (to_json(record) + "\n").encode(),
    }
    write_all({out / name: content for name, content in contents.items()})
    return [out / name for name in contents]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as text; numbers with all digits, so that reading them gives the same float64."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_json(record: Record) -> str:
    """Everything but the rows. Infinity, which JSON lacks, becomes the string "inf"."""
    about = {
        "name": record.name,
        "quick": record.quick,
        "seconds": round(record.seconds, 2),
        "seeds": list(record.seeds),
        "settings": record.settings,
        "versions": record.versions,
        "published": [asdict(number) | {"off": number.off} for number in record.published],
        "differences": [asdict(difference) for difference in record.differences],
    }
    return json.dumps(_plain(about), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    """Lists, strings and Python numbers for whatever holds them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
