"""The verdict board: every claim of the lab, checked on random instances and attacked, in one picture."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular.claims import CLAIMS, PAPERS
from tabular.claims.claim import Claim
from tabular.lab import check
from tabular.lab.verdict import CERTIFIED, FLOAT_ONLY, HOLDS, UNDECIDED, Verdict
from tabular.studies.cells import Part, Row, compute_parts
from tabular.studies.record import Record, bar, versions

INSTANCES, CONTROL_INSTANCES, QUICK_INSTANCES = 10_000, 1_000, 20
"""Random instances for each claim; fewer for those that are expected to fail, where an attack says more."""
SEED = 0
QUICK = "QUICK LOOK: few instances and no attack"
COLUMNS = (("omd", "equivalence"), ("mnm",), ("maac", "itervaml"), ("vagram", "classics"))
"""Papers by column of the picture."""
LOOKS = {
    HOLDS: ("#0072b2", "\N{CHECK MARK}"),
    CERTIFIED: ("#d55e00", "\N{BALLOT X}"),
    FLOAT_ONLY: ("#cc79a7", "\N{BALLOT X}"),
    UNDECIDED: ("#777777", "?"),
}
WIDEST = 3.0
"""Where bars are cut off: a ratio of 100 on the compressed scale."""


def board(*, quick: bool = False, progress: bool = False, partial=None) -> Record:
    """Check every claim on 10,000 random instances (1,000 if it is expected to fail), and attack those that can be.

    Rows: one for each claim, with what the check and the attack found. Table "certificates": exact counterexamples and
    equality instances as JSON texts, as `tabular certify` reads them.

    Args:
      partial: a folder in which finished claims are kept, so that an interrupted run goes on.
      quick: 20 instances for each claim and no attack.
    """
    began = time.perf_counter()
    checks = [Part(f"check-{claim.name}", {"name": claim.name, "n": _instances(claim, quick)}) for claim in CLAIMS]
    attacks = (
        [] if quick else [Part(f"attack-{claim.name}", {"name": claim.name}) for claim in CLAIMS if claim.attackable]
    )
    with bar("lab-board", len(checks) + len(attacks), progress, "claim") as shown:

        def tell(part: Part) -> None:
            shown.set_postfix_str(part.name)
            shown.update()

        how: dict[str, Any] = {"folder": partial, "tell": tell, "workers": 0 if quick else None}
        found = compute_parts(checked, checks, **how) | compute_parts(attacked, attacks, **how)
    pairs = [(found[f"check-{claim.name}"][0], *found.get(f"attack-{claim.name}", ())) for claim in CLAIMS]
    rows = [_row(claim, *pair) for claim, pair in zip(CLAIMS, pairs, strict=True)]
    certificates = [
        {"claim": claim.name, "certificate": text}
        for claim, pair in zip(CLAIMS, pairs, strict=True)
        if (text := _last(pair, "certificate"))
    ]
    settings = {
        "figure": "the claims of five papers and of textbooks",
        "claims": len(CLAIMS),
        "instances": QUICK_INSTANCES if quick else INSTANCES,
        "instances_where_expected_to_fail": QUICK_INSTANCES if quick else CONTROL_INSTANCES,
        "random_bits": "numpy.random.default_rng([seed, i])",
    }
    return Record(
        "lab-board",
        tuple(rows),
        settings,
        (SEED,),
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"certificates": tuple(certificates)} if certificates else {},
    )


def _instances(claim: Claim, quick: bool) -> int:
    if quick:
        return QUICK_INSTANCES
    return CONTROL_INSTANCES if claim.doubted else INSTANCES


def checked(name: str, n: int) -> list[Row]:
    """What a check with n instances says of a claim."""
    return [_plain(check(name, n=n, seed=SEED)[0])]


def attacked(name: str) -> list[Row]:
    """What an attack says of a claim."""
    import jax

    from tabular.lab.attack import attack

    found = _plain(attack(name, seed=SEED))
    jax.clear_caches()  # or 180 compiled searches pile up in one process
    return [found]


def _plain(verdict: Verdict) -> Row:
    """A verdict in plain values; the certificate as the text of its file."""
    return verdict.plain() | {"certificate": verdict.certificate and verdict.certificate.to_json()}


def _row(claim: Claim, check: Row, attack: Row | None = None) -> Row:
    """What is known of a claim. An attack's counterexample comes before a random one: it is simple."""
    verdicts = [found for found in (attack, check) if found is not None]
    decisive = next((found for found in verdicts if found["violations"]), check)
    return {
        "claim": claim.name,
        "id": claim.id,
        "source": claim.source,
        "status": decisive["status"],
        "outside": "; ".join(claim.outside),
        "control": claim.control,
        "sharp": claim.sharp,
        "corrected": claim.corrected,
        "instances": check["n"],
        "violations": check["violations"],
        "undecided": check["undecided"],
        "checked_ratio": check["max_ratio"],
        "starts": attack["n"] if attack else 0,
        "starts_that_violate": attack["violations"] if attack else 0,
        "min_slack": min((v["min_slack"] for v in verdicts if v["min_slack"] is not None), default=None),
        "max_ratio": max((v["max_ratio"] for v in verdicts if v["max_ratio"] is not None), default=None),
        "worst": json.dumps(decisive["worst"]),
    }


def _last(pair: tuple[Row, ...], name: str) -> Any:
    """What the attack says, or else the check."""
    return next((found[name] for found in reversed(pair) if found[name]), None)


def draw_board(record: Record) -> Figure:
    """A bar for each claim, the largest lhs / rhs that was reached; orange beyond 1 where it is violated."""
    figure = Figure(figsize=(17, 12.5), layout="constrained")
    by_paper = {paper: [row for row in record.rows if row["claim"].split(".")[0] == paper] for paper in PAPERS}
    longest = max(sum(len(by_paper[paper]) + 2 for paper in papers) for papers in COLUMNS)
    for ax, papers in zip(figure.subplots(1, len(COLUMNS)), COLUMNS, strict=True):
        _draw_column(ax, {paper: by_paper[paper] for paper in papers}, longest)
    words = ", ".join(f"{count} {status}" for status, count in tally(row["status"] for row in record.rows).items())
    title = {"t": QUICK, "color": "#b00020"} if record.quick else {"t": f"{len(record.rows)} claims: {words}"}
    figure.suptitle(fontsize=14, **title)
    figure.supxlabel("largest lhs / rhs found (logarithmic above 1); no bar where there is no ratio", fontsize=10)
    return figure


def tally(statuses: Iterable[str]) -> dict[str, int]:
    """How many there are of each status, worded for a sentence about claims."""
    counts = Counter("hold on all tested" if status == HOLDS else status for status in statuses)
    return dict(counts.most_common())


def _draw_column(ax: Axes, papers: Mapping[str, list[Mapping[str, Any]]], longest: int) -> None:
    ax.axvline(1, color="#999999", linewidth=0.8, linestyle=(0, (3, 2)), zorder=0)
    y = 0
    for paper, rows in papers.items():
        ax.text(-0.04, y, paper, ha="right", va="center", fontsize=10, fontweight="bold")
        for i, row in enumerate(rows, start=1):
            _draw_claim(ax, y + i, row)
        y += len(rows) + 2
    ax.set(xlim=(0, WIDEST + 0.35), ylim=(longest, -1), yticks=[], xticks=[0, 0.5, 1, 2, 3])
    ax.set_xticklabels(["0", ".5", "1", "10", "100"], fontsize=8)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _draw_claim(ax: Axes, y: int, row: Mapping[str, Any]) -> None:
    colour, symbol = LOOKS.get(row["status"], LOOKS[UNDECIDED])
    name = f"{row['claim'].split('.', 1)[1]}  {symbol}"
    ax.text(-0.04, y, name, ha="right", va="center", fontsize=7.4, color=colour, family="DejaVu Sans")
    ratio = row["max_ratio"]
    if ratio is not None and ratio > 0:
        end = _compressed(ratio)
        ax.barh(y, end, color=colour, height=0.62, alpha=0.85, zorder=2)
        ax.text(end + 0.04, y, f"{ratio:.4g}", va="center", fontsize=6.5, color="#333333", zorder=3)


def _compressed(ratio: float) -> float:
    """The ratio up to 1, and a unit for each factor of 10 above."""
    return ratio if ratio <= 1 else min(1 + math.log10(ratio), WIDEST)
