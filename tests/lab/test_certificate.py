"""Certificates: made only of true violations, and refused when anything in the file was touched."""

import json
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tabular import lab
from tabular.lab.certificate import certify, counterexample, signed
from tabular.lab.stored import recheck
from tests.lab import statements

STAY, LEAVE = [1, 0], [0, 1]
INSTANCE = {
    "gamma": Fraction(1, 3),
    "P": [[STAY, STAY], [STAY, STAY]],
    "r": [[-1, -1], [1, 0]],
    "P_hat": [[STAY, STAY], [LEAVE, STAY]],
    "r_hat": [[-1, -1], [1, 0]],
}
"""True values are -3/2 and 1/2. The model's is 3/2 in state 1, where it never leaves: an error of Q of 1. The printed
bound is gamma eps_p max|r| / (2 (1 - gamma)^2) = (1/3) 2 / (2 (4/9)) = 3/4."""


@pytest.fixture
def file(tmp_path):
    """A certificate of the signed form of Theorem 2."""
    return certify(lab.find("O6x"), INSTANCE).save(tmp_path / "certificate.json")


def edited(file: Path, field: str, value) -> Path:
    """The file with another value of a field, with its old digest."""
    return rewritten(file, field, lambda line: {**line, "value": value})


def forged(file: Path, **values) -> Path:
    """The file with other values and the right digests."""
    for field, value in values.items():
        rewritten(
            file, field.replace("__", "."), lambda _, field=field, value=value: signed(field.replace("__", "."), value)
        )
    return file


def rewritten(file: Path, field: str, change) -> Path:
    lines = file.read_text().splitlines()
    number = line_of(file, field) - 1
    content = json.loads("{" + lines[number].rstrip(",") + "}")
    comma = "," if lines[number].endswith(",") else ""
    lines[number] = f"{json.dumps(field)}: {json.dumps(change(content[field]))}{comma}"
    file.write_text("\n".join(lines) + "\n")
    return file


def line_of(file: Path, field: str) -> int:
    return next(k for k, line in enumerate(file.read_text().splitlines(), start=1) if line.startswith(f'"{field}":'))


# making one


def test_certify_finds_both_sides_of_a_violation_computed_by_hand():
    certificate = certify(lab.find("omd.thm2.mle.signed"), INSTANCE)
    assert (certificate.lhs, certificate.relation, certificate.rhs) == ("1", "<=", "3/4")
    assert (certificate.kind, certificate.arithmetic, certificate.id) == ("violated", "rational", "O6x")
    assert certificate.outside == ("rewards in [0, r_max]",) and certificate.registered
    assert certificate.arrays["P_hat"][1, 0, 1] == Fraction(1)


def test_certify_takes_floats_for_the_fractions_that_they_are():
    certificate = certify(statements.half, {"u": 0.7})
    assert Fraction(certificate.lhs) == Fraction(0.7) != Fraction(7, 10)


def test_certify_of_logarithms_gives_balls_that_hold_the_truth():
    certificate = certify(statements.logarithm, {"u": 2})
    assert certificate.arithmetic == "balls"
    assert certificate.rhs.startswith("[0.69314718055994530941723212145817656807")


@pytest.mark.parametrize("u", [1, Fraction(3, 2), 8])
def test_certify_writes_balls_that_are_decimals_in_few_digits(u):
    certificate = certify(statements.logarithm, {"u": u})
    assert certificate.arithmetic == "balls" and certificate.lhs == f"{float(u) - 1:g}"


def test_certify_names_the_entry_of_largest_violation():
    @lab.claim("my.entries", "e", source="a test", fields={"u": lab.Box(("S", "A"))})
    def entries(x):
        """Every entry is at most 1/2."""
        return lab.at_most(x.u, x.xp.ones(()) / 2)

    certificate = certify(entries, {"u": [[0, Fraction(3, 4)], [Fraction(4, 5), Fraction(1, 2)]]})
    assert (certificate.entry, certificate.lhs, certificate.rhs) == ((1, 0), "4/5", "1/2")


def test_certify_attained_only_where_both_sides_are_equal():
    assert certify(statements.square, {"u": Fraction(1, 2)}).kind == "attained"
    with pytest.raises(
        ValueError, match=r"isn't violated on the instance, nor attained: it holds, least slack 0\.0277778"
    ):
        certify(statements.square, {"u": Fraction(1, 3)})


def test_certify_attained_by_balls_that_cannot_be_told_apart():
    @lab.claim("my.logs", "l", source="a test", fields={"u": lab.Positive()})
    def logs(x):
        """log u^2 <= 2 log u."""
        return lab.at_most(x.xp.log(x.u * x.u), 2 * x.xp.log(x.u))

    assert certify(logs, {"u": 3}).kind == "attained"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gamma": 1}, r"gamma = 1 is outside of what Discount\("),
        ({"gamma": np.nan}, "gamma holds nan, expected finite numbers"),
        ({"P": [[STAY, STAY], [STAY, [2, -1]]]}, r"P = \[.*\] is outside of what Rows\("),
        ({"r": [[-1, -1]]}, r"r has shape \(1, 2\), expected \(S, A\) with {'S': 2, 'A': 2}"),
        ({"r": [[-1, -1], [1, "0"]]}, "r holds something other than fractions"),
        ({"reward": [[0]]}, "the instance has an unknown reward; its fields are gamma, P, r, P_hat, r_hat"),
    ],
)
def test_certify_refuses_what_is_no_instance(changes, message):
    with pytest.raises(ValueError, match=message):
        certify(lab.find("O6x"), {**INSTANCE, **changes})


def test_certify_refuses_an_instance_with_a_field_missing():
    with pytest.raises(ValueError, match="the instance has no gamma"):
        certify(lab.find("O6x"), {name: value for name, value in INSTANCE.items() if name != "gamma"})


def test_certify_names_the_hypothesis_that_is_not_met():
    with pytest.raises(ValueError, match=r"omd\.thm2\.mle: the instance doesn't meet 'rewards in \[0, r_max\]'"):
        certify(lab.find("O6"), INSTANCE)


def test_certify_refuses_claims_in_floats():
    with pytest.raises(ValueError, match="evaluated in floats only"):
        certify(statements.half_in_floats, {"u": 0.7})
    assert counterexample(statements.half_in_floats, {"u": 0.7}) is None


def test_counterexample_keeps_the_violation_that_coarser_rounding_would_lose():
    @lab.claim("my.band", "b", source="a test", fields={"u": lab.Box()})
    def band(x):
        """u is not between .5 and .501."""
        above = x.u - x.xp.ones(()) / 2
        return lab.at_most(above * (x.xp.ones(()) / 1000 - above), x.xp.zeros(()))

    assert counterexample(band, {"u": 0.5002}).arrays["u"].item() == Fraction(2501, 5000)
    assert counterexample(band, {"u": 0.5}) is None


# reading one


def test_recheck_computes_the_certificate_anew(file):
    found, made = recheck(file), certify(lab.find("O6x"), INSTANCE)
    assert found.plain() == made.plain()


def test_recheck_takes_no_longer_than_a_second(file):
    lab.find("O6x")
    began = time.process_time()
    recheck(file)
    assert time.process_time() - began < 1


def test_file_has_one_field_a_line(file):
    lines = file.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("{", "}")
    fields = json.loads(file.read_text())
    assert len(lines) == len(fields) + 2
    assert fields["instance.gamma"]["value"] == "1/3"


FIELDS = {
    "format": 2,
    "claim": "omd.thm2.mle",
    "id": "O6",
    "source": "somebody",
    "statement": "Something else.",
    "outside": [],
    "registered": False,
    "kind": "attained",
    "arithmetic": "balls",
    "entry": [0],
    "relation": "==",
    "lhs": "2",
    "rhs": "1/4",
    "instance.gamma": "1/2",
    "instance.P": [[["0", "1"], ["1", "0"]], [["1", "0"], ["1", "0"]]],
    "instance.r": [["-1", "-1"], ["2", "0"]],
    "instance.P_hat": [[["1", "0"], ["1", "0"]], [["1", "0"], ["1", "0"]]],
    "instance.r_hat": [["-1", "-1"], ["1", "1"]],
}


def test_every_field_of_a_file_is_tried_below(file):
    assert list(json.loads(file.read_text())) == list(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
def test_recheck_names_the_line_of_an_edited_field(file, field):
    edited(file, field, FIELDS[field])
    with pytest.raises(ValueError, match=rf"certificate\.json, line {line_of(file, field)}: "):
        recheck(file)


@pytest.mark.parametrize("field", FIELDS)
def test_recheck_refuses_an_edited_field_whose_digest_is_right(file, field):
    forged(file, **{field.replace(".", "__"): FIELDS[field]})
    with pytest.raises(ValueError, match=r"certificate\.json, line \d+: "):
        recheck(file)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lhs": "101/100"}, r"lhs is '101/100'; computed anew it is '1'"),
        ({"claim": "omd.thm2.mle.sgned"}, r"no claim is called .* Did you mean omd\.thm2\.mle\.signed"),
        ({"claim": "omd.thm2.mle", "id": "O6", "outside": []}, r"the instance doesn't meet 'rewards in \[0, r_max\]'"),
        ({"claim": "O6c", "outside": []}, r"omd\.thm2\.mle\.range isn't violated on the instance"),
        ({"outside": ["gamma < 1"]}, "has no hypothesis 'gamma < 1'"),
        ({"outside": "none"}, "outside is 'none', expected a list"),
        ({"instance__gamma": "one third"}, "'one third' is no fraction"),
        ({"instance__gamma": "1/0"}, "'1/0' is no fraction"),
        ({"instance__gamma": 0.25}, "'0.25' is no fraction"),
        ({"instance__gamma": "4/3"}, "gamma = 4/3 is outside"),
        ({"instance__r": [["1"], ["1", "0"]]}, "no fraction .* or the rows differ in length"),
        ({"registered": 1}, "registered is '1'; computed anew it is 'true'"),
    ],
)
def test_recheck_says_what_is_wrong_with_a_forged_file(file, values, message):
    with pytest.raises(ValueError, match=message):
        recheck(forged(file, **values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-20], r"line 19: no JSON"),
        (lambda text: text.replace('"rhs"', '"right"'), "the field rhs is missing"),
        (lambda text: text.replace("{\n", '{\n"more": 1,\n', 1), "line 2: more is no field of a certificate"),
        (lambda text: text.replace("{\n", '{\n"lhs": 1,\n', 1), "lhs is given twice"),
        (lambda text: text.replace('"format"', '"form"'), "it has no format"),
        (lambda _: "[]", "no certificate"),
        (lambda _: "", "line 1: no JSON"),
        (lambda _: "[" * 100_000, "no certificate"),
    ],
    ids=["cut", "renamed", "added", "repeated", "no format", "a list", "empty", "deep"],
)
def test_recheck_refuses_what_is_no_certificate(file, change, message):
    file.write_text(change(file.read_text()))
    with pytest.raises(ValueError, match=message):
        recheck(file)


def test_recheck_refuses_other_versions_and_bytes(file, tmp_path):
    with pytest.raises(ValueError, match=r"line 2: format is '2', this program reads 1"):
        recheck(forged(file, format=2))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="no certificate"):
        recheck(file)
    with pytest.raises(FileNotFoundError):
        recheck(tmp_path / "nothing.json")


def test_recheck_of_balls_allows_for_their_last_digits_only(tmp_path):
    file = certify(statements.logarithm, {"u": 2}).save(tmp_path / "log.json")
    truth = json.loads(file.read_text())["rhs"]["value"]
    digits, radius = truth[1:].split(" +/- ")
    close = f"[{digits} +/- {radius[:-1].replace('e', '1e', 1)}]"
    assert recheck(forged(file, rhs=close), statements.logarithm).rhs == truth
    for wrong in (f"[{digits} +/- 1e-9]", "[0.69314 +/- 1e-40]", "0.69", "a lot"):
        with pytest.raises(ValueError, match="rhs is"):
            recheck(forged(file, rhs=wrong), statements.logarithm)


def test_recheck_of_ones_own_claim_needs_the_claim(tmp_path):
    file = certify(statements.half, {"u": 1}).save(tmp_path / "half.json")
    assert recheck(file, statements.half).registered is False
    with pytest.raises(ValueError, match=r"line 3: test\.half is none of the lab's claims\. Give it"):
        recheck(file)
    with pytest.raises(ValueError, match=r"test\.square isn't violated|claim is 'test\.half'"):
        recheck(file, statements.square)


def test_recheck_drops_the_hypotheses_that_a_check_dropped(tmp_path):
    verdict = lab.check("O6", n=150, without="rewards in [0, r_max]")[0]
    file = verdict.certificate.save(tmp_path / "certificate.json")
    assert recheck(file).outside == ("rewards in [0, r_max]",)
