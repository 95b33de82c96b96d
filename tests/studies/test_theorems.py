"""The page on theorems: made of the board's records, up to date, and with certificates that hold."""

import json
from pathlib import Path

import pytest

from tabular.claims import CLAIMS, find
from tabular.lab import recheck
from tabular.studies.theorems import page, read_csv

DOCS = Path(__file__).parents[2] / "docs"
CERTIFICATES = sorted((DOCS / "certificates").glob("*.json"))


def rows() -> list[dict[str, str]]:
    return read_csv(DOCS / "records/lab-board.csv")


def test_theorems_page_is_what_the_records_say():
    settings = json.loads((DOCS / "records/lab-board.json").read_text())["settings"]
    written = page(rows(), {path.stem for path in CERTIFICATES}, settings)
    assert (DOCS / "theorems.md").read_text() == f"{written}\n"


def test_theorems_page_refuses_records_of_other_claims():
    with pytest.raises(ValueError, match=r"lab-board.csv and the claims differ in omd.thm1\. Run tabular reproduce"):
        page([row for row in rows() if row["claim"] != "omd.thm1"], set(), {})


def test_every_claim_reached_its_verdict():
    """What is here because it fails is refuted, with a certificate; all else holds on 10,000, and attacked."""
    certified = {path.stem for path in CERTIFICATES}
    for row in rows():
        claim = find(row["claim"])
        if claim.doubted:
            assert row["status"] == "violated (certified)" and claim.name in certified, claim.name
        else:
            assert row["status"] == "holds on all tested", claim.name
            assert (row["violations"], row["starts_that_violate"], row["undecided"]) == ("0", "0", "0"), claim.name
            assert int(row["instances"]) == 10_000, claim.name


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.sharp], ids=lambda claim: claim.name)
def test_every_sharp_claim_is_attained(claim):
    """A ratio of .999 by attack, or an instance of equality that is certified."""
    (row,) = [row for row in rows() if row["claim"] == claim.name]
    equality = DOCS / f"certificates/{claim.name}.json"
    assert float(row["max_ratio"] or 0) >= 0.999 or recheck(equality).kind == "attained"


@pytest.mark.parametrize("path", CERTIFICATES, ids=lambda path: path.stem)
def test_every_certificate_holds_when_computed_anew(path):
    certificate = recheck(path)
    assert certificate.claim == path.stem
    assert certificate.kind == ("violated" if find(path.stem).doubted else "attained")
