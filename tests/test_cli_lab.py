"""The lab on the command line: claims, verify, attack, certify."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tabular import lab
from tabular.__main__ import main
from tabular.claims import CLAIMS
from tabular.lab.certificate import certify
from tests.strict import strict

ROOT = Path(__file__).parents[1]
INSTANCE = {"gamma": 0.5, "P": [[[1]]], "r": [[1]], "P_hat": [[[1]]], "r_hat": [[0]]}


# claims


def test_claims_prints_one_line_for_each(capsys):
    assert main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[claim.name, claim.id] for claim in CLAIMS]
    assert any("Nikishin et al. 2021, Theorem 2" in line for line in lines)


# verify


def test_verify_prints_the_board(capsys):
    assert main(["verify", "O6", "omd.thm2.mle.signed", "--n", "5"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("claim") and [line.split()[1] for line in lines[1:3]] == ["O6", "O6x"]
    assert "100%" in err


def test_verify_json_is_a_list_of_verdicts(capsys):
    assert main(["verify", "O6x", "O6", "--n", "4", "--seed", "9", "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert [(verdict["id"], verdict["n"], verdict["seed"]) for verdict in found] == [("O6x", 4, 9), ("O6", 4, 9)]
    expected = strict(lab.check(["O6x", "O6"], n=4, seed=9).to_json())
    assert [{**verdict, "seconds": 0} for verdict in found] == [{**verdict, "seconds": 0} for verdict in expected]


def test_verify_writes_json_and_a_page(here, capsys):
    assert main(["verify", "O6", "--n", "2", "--json", "board.json", "--html", "board.html"]) == 0
    assert capsys.readouterr().out == "wrote board.json\nwrote board.html\n"
    assert strict((here / "board.json").read_text())[0]["claim"] == "omd.thm2.mle"
    assert (here / "board.html").read_text().startswith("<!DOCTYPE html>")


def test_verify_json_on_standard_output_is_nothing_else(here, capsys):
    assert main(["verify", "O6", "--n", "2", "--json", "-", "--html", "board.html"]) == 0
    assert strict(capsys.readouterr().out)[0]["n"] == 2


def test_verify_without_a_hypothesis_names_it(capsys):
    assert main(["verify", "O6", "--n", "2", "--without", "rewards in [0, r_max]", "--json"]) == 0
    assert strict(capsys.readouterr().out)[0]["outside"] == ["rewards in [0, r_max]"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "omd.thm2.ml"], "Did you mean omd.thm2.mle or"),
        (["verify", "vagran"], "Did you mean vagram or"),
        (["verify", "O6", "--n", "0"], "n = 0, expected a whole number of 1 or more"),
        (["verify", "O6", "--n", "-5"], "n = -5, expected"),
        (["verify", "O6", "--n", "many"], "invalid int value: 'many'"),
        (["verify", "O6", "--seed", "-1"], "seed = -1, expected a whole number of 0 or more"),
        (["verify", "O6", "--without", "gravity"], "no claim has the hypothesis 'gravity'"),
        (["verify", "--json", "O6"], "--json O6 would be a file"),
        (
            ["verify", "O6", "--n", "1", "--json", "no/where.json"],
            "can't write no/where.json: there is no folder no",
        ),
        (["verify", "O6", "--html", "."], "can't write .: it is a folder"),
        (["attack", "O6", "--certificate", "no/where.json"], "can't write no/where.json: there is no folder no"),
        (["attack", "omd.thm2.ml"], "Did you mean omd.thm2.mle or"),
        (["attack", "O6", "--seed", "-1"], "seed = -1, expected a whole number of 0 or more"),
        (["attack"], "CLAIM"),
        (["certify", "nothing.json"], "nothing.json: No such file or directory"),
        (["certify", "."], "directory"),
        (["certify"], "FILE"),
    ],
)
def test_lab_refuses_with_status_2_and_one_message(here, capsys, arguments, message):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and "Traceback" not in err
    assert err.splitlines()[-1].startswith("tabular")


# attack


def test_attack_prints_one_verdict_and_writes_the_certificate(here, capsys, monkeypatch):
    monkeypatch.setattr("tabular.lab.attack", lambda claim, seed, progress: lab.check(claim, n=150, seed=seed)[0])
    assert main(["attack", "O6x", "--json", "--certificate", "found.json"]) == 0
    found = strict(capsys.readouterr().out)
    assert (found["id"], found["status"]) == ("O6x", "violated (certified)")
    assert main(["certify", "found.json"]) == 0
    assert main(["attack", "O6x"]) == 0
    assert "omd.thm2.mle.signed (O6x): violated (certified)" in capsys.readouterr().out


def test_attack_without_a_certificate_to_write_says_so(here, capsys, monkeypatch):
    monkeypatch.setattr("tabular.lab.attack", lambda claim, seed, progress: lab.check(claim, n=2, seed=seed)[0])
    assert main(["attack", "O6", "--certificate", "found.json"]) == 2
    out, err = capsys.readouterr()
    assert "holds on all tested" in out and "there is no certificate to write" in err and not list(here.iterdir())


@pytest.mark.slow
def test_attack_finds_the_counterexample_of_the_signed_bound(here, capsys):
    assert main(["attack", "omd.thm2.mle.signed", "--json", "--certificate", "found.json"]) == 0
    assert strict(capsys.readouterr().out)["status"] == "violated (certified)"
    assert main(["certify", "found.json"]) == 0


# certify


@pytest.fixture
def certificate(here):
    P, stay = [[[1, 0], [1, 0]], [[1, 0], [1, 0]]], [[[1, 0], [1, 0]], [[0, 1], [1, 0]]]
    r = [[-1, -1], [1, 0]]
    return certify(lab.find("O6x"), {"gamma": 0.25, "P": P, "r": r, "P_hat": stay, "r_hat": r}).save("found.json")


def test_certify_prints_the_claim_the_instance_and_both_sides(certificate, capsys):
    assert main(["certify", "found.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("omd.thm2.mle.signed (O6x): violated, certified in rational numbers\n")
    assert "gamma      1/4" in out and "outside    rewards in [0, r_max]" in out
    assert "sides      2/3 > 4/9" in out and "max |Q* - Q_hat|" in out and out.rstrip().endswith("are as written")


def test_certify_refuses_an_edited_file_with_its_line(certificate, capsys):
    text = certificate.read_text()
    certificate.write_text(text.replace('"1/4"', '"1/5"'))
    line = next(k for k, each in enumerate(text.splitlines(), start=1) if "1/4" in each)
    assert main(["certify", "found.json"]) == 2
    assert capsys.readouterr() == (
        "",
        f"tabular: found.json, line {line}: instance.gamma was edited: its digest isn't that of its value.\n",
    )


def test_certify_as_a_program_takes_no_longer_than_a_second(certificate):
    """Processor time of the whole program, start included, at its best of three: .6 s."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tabular", "certify", "found.json"]
    spent = []
    for _ in range(3):
        before = os.times()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(spent) < 1


def test_help_of_every_command_of_the_lab(capsys):
    for command in ("claims", "verify", "attack", "certify"):
        assert main([command, "--help"]) == 0
        assert f"usage: tabular {command}" in capsys.readouterr().out
