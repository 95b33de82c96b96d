"""The verdict board as a study: rows, certificates, picture."""

import json

import pytest

from tabular.claims import find
from tabular.lab import attack, recheck
from tabular.studies import lab_board as study
from tabular.studies.cells import Part

NAMES = ("omd.thm2.mle.sharp", "vagram.pinsker.printed", "classics.contraction")


@pytest.fixture
def few(monkeypatch):
    """A board of three claims."""
    monkeypatch.setattr(study, "CLAIMS", tuple(find(name) for name in NAMES))


def test_a_quick_board_checks_every_claim_and_attacks_none(few):
    record = study.board(quick=True)
    assert tuple(row["claim"] for row in record.rows) == NAMES
    assert {row["instances"] for row in record.rows} == {study.QUICK_INSTANCES}
    assert {row["starts"] for row in record.rows} == {0}
    assert [row["status"] for row in record.rows][1:] == ["violated (certified)", "holds on all tested"]
    assert "QUICK" in study.draw_board(record).get_suptitle()


def test_certificates_of_the_board_can_be_rechecked(few, tmp_path):
    rows = study.board(quick=True).tables["certificates"]
    assert {row["claim"] for row in rows} >= {"vagram.pinsker.printed"}
    for row in rows:
        (tmp_path / "c.json").write_text(row["certificate"])
        assert recheck(tmp_path / "c.json").claim == row["claim"]


def test_a_counterexample_of_an_attack_comes_before_a_random_one():
    check = {"status": "violated (certified)", "violations": 3, "n": 20, "undecided": 0, "worst": {"i": 7}}
    check |= {"min_slack": -2.0, "max_ratio": 1.5}
    attack = check | {"n": 32, "violations": 16, "worst": {"i": 1}, "min_slack": -1.0, "max_ratio": None}
    row = study._row(find(NAMES[1]), check, attack)
    assert json.loads(row["worst"]) == {"i": 1}
    assert (row["instances"], row["violations"], row["starts"], row["starts_that_violate"]) == (20, 3, 32, 16)
    assert (row["min_slack"], row["max_ratio"]) == (-2.0, 1.5)


def test_a_violation_of_the_check_alone_decides():
    check = {"status": "violated (certified)", "violations": 3, "n": 20, "undecided": 0, "worst": {"i": 7}}
    check |= {"min_slack": -2.0, "max_ratio": 1.5}
    attack = check | {"status": "holds on all tested", "violations": 0, "worst": {"i": 1}}
    assert json.loads(study._row(find(NAMES[1]), check, attack)["worst"]) == {"i": 7}


def test_claims_that_should_hold_get_more_instances():
    assert study._instances(find("omd.thm2.mle.sharp"), quick=False) == 10_000
    assert study._instances(find("omd.thm2.mle.signed"), quick=False) == 1_000


def test_finished_parts_are_found_again(few, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "QUICK_INSTANCES", 5)
    study.board(quick=True, partial=tmp_path)
    assert Part(f"check-{NAMES[0]}", {"name": NAMES[0], "n": 5}).path(tmp_path).exists()
    monkeypatch.setattr(study, "checked", lambda **_: pytest.fail("computed twice"))
    study.board(quick=True, partial=tmp_path)


@pytest.mark.slow
def test_an_attacked_claim_has_a_readable_counterexample():
    assert callable(attack)
    (found,) = study.attacked("vagram.pinsker.printed")
    assert found["status"] == "violated (certified)"
    assert all(len(str(entry)) <= 4 for entry in found["worst"]["arrays"]["p"])
