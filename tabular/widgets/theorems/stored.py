"""What is known of the claims before anything is run: verdicts from a record, or from a board."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tabular.lab.board import Board
from tabular.lab.verdict import Verdict

DOCS = Path(__file__).parents[3] / "docs"
"""Where the record and the certificates lie in a checkout; an installed package has none."""
RECORD = Path("records/lab-board.csv")


@dataclass(frozen=True)
class Known:
    """A verdict that wasn't found here and now."""

    status: str
    instances: int
    """Random instances that met the hypotheses."""
    violations: int
    undecided: int
    starts: int
    """Starts of the attack; 0 if there was none."""
    starts_that_violate: int
    min_slack: float
    checked_ratio: float
    """Largest lhs / rhs of the random instances."""
    max_ratio: float
    """And with what the attack found."""
    worst: Mapping[str, np.ndarray]
    """The deciding instance by field, in fractions if an attack simplified it; empty if there is none."""
    source: str
    """Where the instance is from, in words."""
    tightest: Mapping[str, np.ndarray]
    """The instance of the largest ratio; empty if it wasn't kept."""
    certificate: str
    """The text of a certificate's file, or empty."""


def recorded(folder: Path) -> dict[str, Known]:
    """Verdicts by claim from `records/lab-board.csv` and `certificates/` in a folder.

    Raises:
      OSError if there is no such record; ValueError if it has other columns.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    path = folder / RECORD
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    missing = {"claim", "status", "instances", "max_ratio", "worst"} - set(rows[0] if rows else ())
    if missing:
        raise ValueError(f"{path} has no column {min(missing)}. `make theorems` writes it.")
    return {row["claim"]: _from_row(row, folder / "certificates") for row in rows}


def _from_row(row: Mapping[str, str], certificates: Path) -> Known:
    file = certificates / f"{row['claim']}.json"
    worst = json.loads(row["worst"])
    attacked = int(row["starts_that_violate"]) > 0
    return Known(
        status=row["status"],
        instances=int(row["instances"]),
        violations=int(row["violations"]),
        undecided=int(row["undecided"]),
        starts=int(row["starts"]),
        starts_that_violate=int(row["starts_that_violate"]),
        min_slack=float(row["min_slack"] or "nan"),
        checked_ratio=float(row["checked_ratio"] or "nan"),
        max_ratio=float(row["max_ratio"] or "nan"),
        worst={name: _array(value) for name, value in worst["arrays"].items()} if worst else {},
        source=_source(worst, attacked) if worst else "",
        tightest={},
        certificate=file.read_text(encoding="utf-8") if file.exists() else "",
    )


def _array(value: Any) -> np.ndarray:
    """Numbers as floats; texts such as "3/4" as fractions."""
    array = np.array(value, dtype=object)
    exact = any(isinstance(number, str) for number in array.flat)
    return np.array(np.frompyfunc(Fraction, 1, 1)(array), dtype=object) if exact else array.astype(float)


def _source(witness: Mapping[str, Any], attacked: bool) -> str:
    kind = "found by the attack from start" if attacked else "random instance"
    return f"{kind} {witness['i']} of seed {witness['seed']}"


def certified(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the text of a certificate's file says, and the instance in it; `lab.recheck` checks them."""
    values = {name: field["value"] for name, field in json.loads(text).items()}
    start = "instance."
    arrays = {name.removeprefix(start): _array(value) for name, value in values.items() if name.startswith(start)}
    return values, arrays


def on_board(board: Board) -> dict[str, Known]:
    """Verdicts by claim from a board."""
    return {verdict.claim: _from_verdict(verdict) for verdict in board}


def _from_verdict(verdict: Verdict) -> Known:
    return Known(
        status=verdict.status,
        instances=verdict.n,
        violations=verdict.violations,
        undecided=verdict.undecided,
        starts=0,
        starts_that_violate=0,
        min_slack=verdict.min_slack,
        checked_ratio=verdict.max_ratio,
        max_ratio=verdict.max_ratio,
        worst={} if verdict.worst is None else verdict.worst.arrays,
        source="" if verdict.worst is None else f"instance {verdict.worst.i} of seed {verdict.worst.seed}",
        tightest={} if verdict.tightest is None else verdict.tightest.arrays,
        certificate="" if verdict.certificate is None else verdict.certificate.to_json(),
    )
