"""The page docs/theorems.md: every claim with its verdict, from the files that the study lab-board leaves behind.

python -m tabular.studies.theorems results docs

reads results/lab-board.csv and results/lab-board-certificates.csv, copies them to docs/records, writes the
certificates to docs/certificates and the page itself.
"""

from __future__ import annotations

import csv
import inspect
import io
import json
import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from tabular.claims import CLAIMS
from tabular.claims.claim import Claim
from tabular.lab.verdict import HOLDS
from tabular.output import write_all
from tabular.studies.lab_board import tally

TITLES = {
    "omd": "OMD (Nikishin et al. 2021)",
    "mnm": "MnM (Eysenbach et al. 2021)",
    "itervaml": "Value-aware model learning (Farahmand 2018; Lovatto et al. 2020)",
    "vagram": "VaGraM (Voelcker et al. 2022)",
    "maac": "MAAC (Clavera et al. 2020)",
    "equivalence": "Value equivalence (Grimm et al. 2020)",
    "classics": "Classic results",
}
HEAD = """# Theorems

Every theorem, lemma and stated bound of the five papers, and the classic results of a tabular course, as statements
that a machine can test. This page is written by `make theorems` from what the lab found; no number in it is typed by
hand.

Each claim is tested on random instances ({instances:,}, or {fewer:,} where it is expected to fail) and, where that
makes sense, attacked by a search for the largest left side relative to the right. **Testing never proves a claim**:
"holds on all tested" means just that; the derivation, where there is one, stands beside it. "Violated (certified)" is
a proof: the counterexample was evaluated in exact rational numbers, or in balls of 192 bits where logarithms occur, and
`tabular certify docs/certificates/NAME.json` does so again. A claim that drops a hypothesis of its source names it;
negative controls are false on purpose, and a lab that didn't refute them would be no evidence.

{count} claims: {tally}.
"""


def page(rows: Sequence[Mapping[str, str]], certified: Set[str], settings: Mapping[str, Any]) -> str:
    """The page in Markdown.

    Args:
      rows: of lab-board.csv, as text.
      certified: names of the claims that have a certificate.
      settings: of the study.

    Raises:
      ValueError if a claim of the lab has no row, or a row no claim.
    """
    by_name = {row["claim"]: row for row in rows}
    known = {claim.name for claim in CLAIMS}
    if set(by_name) != known:
        odd = sorted(set(by_name) ^ known)
        raise ValueError(f"lab-board.csv and the claims differ in {', '.join(odd)}. Run tabular reproduce lab-board.")
    counts = ", ".join(f"{count} {status}" for status, count in tally(row["status"] for row in rows).items())
    numbers = settings["instances"], settings["instances_where_expected_to_fail"]
    parts = [HEAD.format(instances=numbers[0], fewer=numbers[1], count=len(rows), tally=counts)]
    for paper, title in TITLES.items():
        claims = [claim for claim in CLAIMS if claim.paper == paper]
        parts += [f"## {title}\n", _overview(claims, by_name)]
        parts += [_section(claim, by_name[claim.name], claim.name in certified) for claim in claims]
    return "\n".join(parts)


def _overview(claims: list[Claim], rows: Mapping[str, Mapping[str, str]]) -> str:
    lines = ["| claim | id | verdict | largest lhs / rhs | corrected form |", "|---|---|---|---|---|"]
    for claim in claims:
        row = rows[claim.name]
        cells = [_link(claim.name), claim.id, row["status"], _short(row["max_ratio"]), _link(claim.corrected)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _section(claim: Claim, row: Mapping[str, str], certified: bool) -> str:
    """One claim: statement, derivation, verdict with its numbers, counterexample and certificate."""
    lines = [f"({claim.name})=", f"### {claim.name}", "", f"{claim.id}; {claim.source}.", ""]
    lines += [inspect.cleandoc(claim.text), "", f"**{_sentence(row['status'])}.** {_numbers(row)}"]
    if claim.outside:
        lines.append(f"Stated outside its source's hypothesis: without {' and '.join(claim.outside)}.")
    if claim.control:
        lines.append("A negative control: false on purpose.")
    if claim.sharp:
        lines.append("Said to be attained.")
    if claim.corrected:
        lines.append(f"What holds instead: {_link(claim.corrected)}.")
    if certified:
        what = "an instance of equality" if row["status"] == HOLDS else "the counterexample"
        lines.append(f"Certificate of {what}: [{claim.name}.json](certificates/{claim.name}.json).")
    if row["status"] != HOLDS and row["worst"] != "null":
        lines += ["", *_instance(json.loads(row["worst"]))]
    return "\n".join([*lines, ""])


def _numbers(row: Mapping[str, str]) -> str:
    text = f"{int(row['instances']):,} random instances, {int(row['violations']):,} violations"
    if int(row["undecided"]):
        text += f", {row['undecided']} undecided"
    if int(row["starts"]):
        text += f"; attack from {row['starts']} random starts, {row['starts_that_violate']} of which end in a violation"
    if row["max_ratio"]:
        text += f"; largest lhs / rhs {_short(row['max_ratio'])}"
    return text + "."


def _instance(worst: Mapping[str, Any]) -> list[str]:
    """A counterexample, one field a line."""
    return ["Counterexample:", "", *(f"    {name} = {_plainly(value)}" for name, value in worst["arrays"].items())]


def _plainly(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_plainly, value))}]"
    return value if isinstance(value, str) else f"{value:.6g}"


def _link(name: str) -> str:
    return f"[{name}](#{name})" if name else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _short(number: str) -> str:
    return f"{float(number):.6g}" if number else ""


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file as text."""
    csv.field_size_limit(10**9)
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def main(results: str, docs: str) -> None:
    """Write the page, the certificates and copies of the records."""
    found, out = Path(results), Path(docs)
    rows, certificates = read_csv(found / "lab-board.csv"), read_csv(found / "lab-board-certificates.csv")
    settings = json.loads((found / "lab-board.json").read_text(encoding="utf-8"))["settings"]
    for folder in ("records", "certificates"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    files: dict[Path, str | bytes] = {
        out / "theorems.md": page(rows, {row["claim"] for row in certificates}, settings),
        out / "records/lab-board.csv": (found / "lab-board.csv").read_bytes(),
        out / "records/lab-board.json": (found / "lab-board.json").read_bytes(),
    }
    for row in certificates:
        files[out / f"certificates/{row['claim']}.json"] = row["certificate"].strip()
    write_all(files)


if __name__ == "__main__":
    main(*sys.argv[1:])
