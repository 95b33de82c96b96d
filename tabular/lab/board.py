"""Many verdicts at a glance: a table in text, a page in a browser, a list in JSON."""

from __future__ import annotations

import inspect
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from tabular.claims import PAPERS
from tabular.claims.claim import Claim
from tabular.lab.verdict import (
    CERTIFIED,
    FLOAT_ONLY,
    HOLDS,
    STATUSES,
    UNDECIDED,
    VACUOUS,
    Verdict,
    Witness,
    readable,
    shown,
)

HEAD = ("claim", "id", "verdict", "n", "violations", "least slack", "largest ratio", "remarks")
SYMBOLS = {HOLDS: "✓", CERTIFIED: "✗", FLOAT_ONLY: "≈✗", UNDECIDED: "?", VACUOUS: "∅"}
COLOURS = {HOLDS: "#0072B2", CERTIFIED: "#D55E00", FLOAT_ONLY: "#E69F00", UNDECIDED: "#767676", VACUOUS: "#767676"}
"""Blue, vermilion and orange of Okabe and Ito, told apart with any colour vision; the symbols say it without colour."""


@dataclass(frozen=True)
class Board:
    """Verdicts on claims, in one order."""

    claims: tuple[Claim, ...]
    verdicts: tuple[Verdict, ...]

    def __len__(self) -> int:
        return len(self.verdicts)

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __getitem__(self, key: int | str) -> Verdict:
        """A verdict by its place, or by the name or id of its claim."""
        if not isinstance(key, str):
            return self.verdicts[key]
        for verdict in self.verdicts:
            if key in (verdict.claim, verdict.id):
                return verdict
        raise KeyError(key)

    def to_json(self) -> str:
        """A list of verdicts, each as in `Verdict.to_json`."""
        return json.dumps([verdict.plain() for verdict in self.verdicts], allow_nan=False)

    def __str__(self) -> str:
        rows = [HEAD, *(_row(claim, verdict) for claim, verdict in self._pairs())]
        widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
        numbers = range(HEAD.index("n"), HEAD.index("remarks"))
        lines = [
            "  ".join(
                cell.rjust(w) if k in numbers else cell.ljust(w)
                for k, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join([*(line.rstrip() for line in lines), "", self.summary])

    @property
    def summary(self) -> str:
        """How many claims have which verdict."""
        counts = Counter(verdict.status for verdict in self.verdicts)
        parts = [f"{status} {counts[status]}" for status in STATUSES if counts[status]]
        claims = "1 claim" if len(self) == 1 else f"{len(self)} claims"
        seconds = sum(verdict.seconds for verdict in self.verdicts)
        return f"{claims} in {seconds:.1f} s: {', '.join(parts)}"

    def _repr_html_(self) -> str:
        return f"<style>{STYLE}</style>\n{self._body()}"

    def to_html(self) -> str:
        """A page that needs no other file: claims by paper, with statements and worst instances to unfold."""
        head = f'<meta charset="utf-8"><title>Verdicts on {len(self)} claims</title><style>{PAGE_STYLE}{STYLE}</style>'
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n'
            f"<body>\n<h1>What holds, and what doesn't</h1>\n{self._body()}\n</body></html>"
        )

    def _pairs(self) -> list[tuple[Claim, Verdict]]:
        return list(zip(self.claims, self.verdicts, strict=True))

    def _body(self) -> str:
        papers: dict[str, list[tuple[Claim, Verdict]]] = {}
        for claim, verdict in self._pairs():
            papers.setdefault(claim.paper, []).append((claim, verdict))
        here = {claim.name for claim in self.claims}
        printed = {claim.corrected: claim.name for claim in self.claims if claim.corrected}
        sections = [
            f"<h2>{escape(PAPERS.get(paper, paper))}</h2>\n"
            + "\n".join(_block(claim, verdict, here, printed) for claim, verdict in pairs)
            for paper, pairs in papers.items()
        ]
        return f'<div class="lab-board">\n<p>{escape(self.summary)}</p>\n{LEGEND}\n' + "\n".join(sections) + "\n</div>"


def _row(claim: Claim, verdict: Verdict) -> tuple[str, ...]:
    numbers = (str(verdict.n), str(verdict.violations), shown(verdict.min_slack), shown(verdict.max_ratio))
    return (verdict.claim, verdict.id, verdict.status, *numbers, "; ".join(remarks(claim, verdict)))


def remarks(claim: Claim, verdict: Verdict) -> list[str]:
    """What a reader must know beside the status."""
    found = [f"outside: {', '.join(verdict.outside)}"] if verdict.outside else []
    found += [_control(verdict)] if claim.control else []
    found += [f"{verdict.undecided} undecided"] if verdict.undecided else []
    found += ["attained"] if verdict.certificate is not None and verdict.certificate.kind == "attained" else []
    return found


def _control(verdict: Verdict) -> str:
    failed = verdict.status in (CERTIFIED, FLOAT_ONLY)
    return "control: fails as it must" if failed else "control: must fail, but didn't here"


# HTML

LEGEND = (
    "<p>"
    + " · ".join(
        f'<span class="lab-status" style="color:{COLOURS[status]}">{SYMBOLS[status]} {status}</span>'
        for status in STATUSES
    )
    + (
        ". Bars show the largest ratio of left to right side that was met; the line is where both are equal. "
        "A claim that holds on all tested instances isn't proved by that.</p>"
    )
)

STYLE = """
.lab-board { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; }
.lab-board h2 { font-size: 1.1em; margin: 2em 0 .5em; }
.lab-board details { border-top: 1px solid #8884; padding: .3em 0; }
.lab-board summary { display: grid; grid-template-columns: minmax(14rem, 2.2fr) 3.5rem minmax(12rem, 1.6fr) 8rem 7rem;
  gap: .8em; align-items: center; cursor: pointer; }
.lab-board summary:hover { background: #8881; }
.lab-board code, .lab-board pre { font: 13px/1.45 ui-monospace, monospace; }
.lab-board pre { overflow-x: auto; white-space: pre-wrap; margin: .6em 0 .6em 1.2em; }
.lab-board .lab-more { margin: .2em 0 1em 1.2em; }
.lab-board .lab-remark { display: block; font-size: .8em; opacity: .75; }
.lab-status { font-weight: 600; white-space: nowrap; }
.lab-board svg { display: block; }
.lab-board .lab-number { text-align: right; font-variant-numeric: tabular-nums; }
"""
PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 2rem auto; padding: 0 1.5rem; max-width: 72rem; font: 15px/1.45 system-ui, sans-serif; }
"""


def _block(claim: Claim, verdict: Verdict, here: set[str], printed: dict[str, str]) -> str:
    """One claim: a line to see, and what unfolds under it."""
    colour = COLOURS[verdict.status]
    remark = "".join(f'<span class="lab-remark">{escape(text)}</span>' for text in remarks(claim, verdict))
    status = f'<span class="lab-status" style="color:{colour}">{SYMBOLS[verdict.status]} {verdict.status}</span>'
    counts = f"{verdict.n} tested, {verdict.violations} violations"
    return (
        f'<details id="{escape(claim.name)}"><summary><code>{escape(claim.name)}</code><span>{escape(claim.id)}</span>'
        f"<span>{status}{remark}</span>{_bar(verdict.max_ratio, colour)}"
        f'<span class="lab-number">{shown(verdict.max_ratio)}</span></summary>\n'
        f'<div class="lab-more">{escape(claim.source)}. {counts}, least slack {shown(verdict.min_slack)}, '
        f"seed {verdict.seed}, {verdict.seconds:.1f} s.{_links(claim, here, printed)}"
        f"<pre>{escape(inspect.cleandoc(claim.text))}</pre>{_evidence(verdict)}</div></details>"
    )


def _bar(ratio: float, colour: str) -> str:
    """A bar of `ratio / (1 + ratio)` of its width, so that equality is in the middle and any ratio fits."""
    share = 0.0 if math.isnan(ratio) or ratio < 0 else 1.0 if math.isinf(ratio) else ratio / (1 + ratio)
    return (
        f'<svg width="120" height="12" role="img" aria-label="largest ratio {shown(ratio)}">'
        f'<rect width="120" height="12" fill="#8883"/><rect width="{120 * share:.1f}" height="12" fill="{colour}"/>'
        '<path d="M60 0V12" stroke="currentColor"/></svg>'
    )


def _links(claim: Claim, here: set[str], printed: dict[str, str]) -> str:
    """Links between a claim that fails and the one that holds in its place."""

    def link(name: str) -> str:
        return (
            f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>'
            if name in here
            else f"<code>{escape(name)}</code>"
        )

    corrected = f" Corrected form: {link(claim.corrected)}." if claim.corrected else ""
    return corrected + (f" Printed form: {link(printed[claim.name])}." if claim.name in printed else "")


def _evidence(verdict: Verdict) -> str:
    """The certificate if there is one, else the worst instance."""
    if verdict.certificate is not None:
        return f"<pre>{escape(str(verdict.certificate))}</pre>"
    return "" if verdict.worst is None else f"<pre>{escape(_instance(verdict.worst))}</pre>"


def _instance(witness: Witness) -> str:
    title = f"instance of least slack: number {witness.i} of seed {witness.seed}"
    return "\n".join([title, *(f"  {name} = {readable(value)}" for name, value in witness.arrays.items())])
