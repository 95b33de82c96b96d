"""Certificates from files: read with care, and computed anew.

The digests of a file's fields show which line was edited by accident or carelessly. They prove nothing: what a
certificate says is computed again from its instance, and every field is compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from flint import arb

from tabular.claims import find
from tabular.claims.claim import Claim
from tabular.lab.certificate import FORMAT, FRACTION, Certificate, certify, signed


def recheck(file: Path | str, claim: Claim | None = None) -> Certificate:
    """Read a certificate and compute everything in it anew, without floating point.

    Args:
      claim: the claim, if it is none of the lab's.

    Returns:
      The certificate as computed now.

    Raises:
      OSError if there is no such file; ValueError, with the line, if it was edited or is no certificate, if its claim
      isn't known, or if its instance doesn't show what it says.
    """
    stored = _read(Path(file))
    recorded = {name: stored.value(name) for name in stored.names}
    with stored.blaming("claim"):
        claim = _claim_of(recorded, claim)
    arrays = {}
    for name in stored.names:
        if name.startswith("instance."):
            with stored.blaming(name):
                arrays[name.removeprefix("instance.")] = _parsed(recorded[name])
    with stored.blaming("kind"):
        certificate = certify(claim, arrays)
    _compare(stored, recorded, certificate)
    return certificate


def _compare(stored: _Stored, recorded: Mapping[str, Any], certificate: Certificate) -> None:
    """Refuse a file of which a field isn't as it is computed anew."""
    computed = certificate.plain()
    del computed["instance"]
    for name, value in computed.items():
        same = _agree if name in ("lhs", "rhs") and certificate.arithmetic == "balls" else _equal
        with stored.blaming(name):
            if not same(recorded[name], value):
                raise ValueError(f"{name} is {_clipped(recorded[name])}; computed anew it is {_clipped(value)}.")


@dataclass(frozen=True)
class _Stored:
    """A certificate's file: its fields with their values, and where they stand."""

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[str, int]

    @property
    def names(self) -> list[str]:
        return [name for name in self.content if name != "format"]

    def value(self, name: str) -> Any:
        """The value of a field, if its digest is right."""
        with self.blaming(name):
            if self.content[name] != signed(name, self.content[name].get("value")):
                raise ValueError(f"{name} was edited: its digest isn't that of its value.")
        return self.content[name]["value"]

    @contextmanager
    def blaming(self, name: str) -> Iterator[None]:
        """Add the file and the line of a field to an error."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.path}, line {self.lines[name]}: {error}") from error


def _read(path: Path) -> _Stored:
    """The fields of a file, after a look at its form."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: no JSON ({error.msg}).") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: no certificate ({error}).") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), dict):
        raise ValueError(f"{path}: no certificate: it has no format.")
    stored = _Stored(path, content, {name: _line_of(name, text) for name in content})
    _check_form(stored)
    return stored


def _check_form(stored: _Stored) -> None:
    """Refuse another version, and fields that are missing, unknown or without a digest."""
    version = stored.content["format"].get("value")
    with stored.blaming("format"):
        if version != FORMAT:
            raise ValueError(f"format is {_clipped(version)}, this program reads {FORMAT}. Is it from a later one?")
    expected = {"format", *(field.name for field in fields(Certificate))} - {"arrays"}
    missing = expected - set(stored.content)
    if missing:
        raise ValueError(f"{stored.path}: no certificate: the field {min(missing)} is missing.")
    for name, value in stored.content.items():
        with stored.blaming(name):
            if not (name in expected or name.startswith("instance.")) or not isinstance(value, dict):
                raise ValueError(f"{name} is no field of a certificate, or has no digest.")
    stored.value("format")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"{max(names, key=names.count)} is given twice")
    return dict(pairs)


def _line_of(name: str, text: str) -> int:
    """The line that a field starts on."""
    found = re.search(rf"^[\s{{]*{re.escape(json.dumps(name))}\s*:", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _claim_of(recorded: Mapping[str, Any], claim: Claim | None) -> Claim:
    """The claim that a certificate is about, without the hypotheses that it drops."""
    if claim is None and recorded["registered"] is False:
        raise ValueError(f"{recorded['claim']} is none of the lab's claims. Give it: lab.recheck(file, my_claim).")
    claim = find(str(recorded["claim"])) if claim is None else claim
    if not isinstance(recorded["outside"], list):
        raise ValueError(f"outside is {_clipped(recorded['outside'])}, expected a list of hypotheses.")
    return claim.without(*(str(name) for name in recorded["outside"] if name not in claim.outside))


def _parsed(value: Any) -> np.ndarray:
    """Nested lists of strings as an array of fractions."""
    array = np.array(value, dtype=object)
    for number in array.flat:
        if not (isinstance(number, str) and FRACTION.fullmatch(number)):
            raise ValueError(f'{_clipped(number)} is no fraction such as "3/4", or the rows differ in length.')
    return np.array(np.frompyfunc(Fraction, 1, 1)(array), dtype=object)


def _equal(recorded: Any, computed: Any) -> bool:
    return recorded == computed and type(recorded) is type(computed)


def _agree(recorded: Any, computed: str) -> bool:
    """Whether two balls are the same, but for last digits that may differ between versions of the library."""
    if recorded == computed:
        return True
    try:
        old, new = arb(recorded), arb(computed)
    except (ValueError, TypeError):
        return False
    return bool(old.overlaps(new)) and bool(old.rad() <= 2 * new.rad())


def _clipped(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
