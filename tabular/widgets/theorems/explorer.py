"""The verdict board of the theorem lab: what holds and what doesn't, each claim with its evidence, to run again."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular.claims import PAPERS, every
from tabular.claims.claim import Claim
from tabular.errors import suggestion
from tabular.lab.board import Board
from tabular.lab.stored import recheck
from tabular.lab.verdict import CERTIFIED, FLOAT_ONLY, HOLDS, STATUSES, Verdict
from tabular.mdp import AnyMDP
from tabular.output import plain
from tabular.widgets.controls import Choice, Download, Slider, action
from tabular.widgets.explorer import Explorer
from tabular.widgets.theorems import stored
from tabular.widgets.theorems.drawn import READABLE, Values, compared, graphs, mdps, paragraphs, tables
from tabular.widgets.theorems.live import Live
from tabular.widgets.theorems.presets import PRESETS
from tabular.widgets.theorems.stored import Known

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = {
    "omd": "OMD",
    "mnm": "MnM",
    "itervaml": "IterVAML",
    "vagram": "VaGraM",
    "maac": "MAAC",
    "classics": "Classic results",
    "equivalence": "Value equivalence",
}
SHOW = {
    "all": "All",
    "holds": "Hold",
    "violated": "Violated",
    "open": "Not settled",
    "sharp": "Sharp",
    "printed": "Fail as printed",
    "control": "Controls",
}
VIOLATED = (CERTIFIED, FLOAT_ONLY)
CODES = ("", *STATUSES)
"""What the front end knows the statuses by: their places here; "" is a claim that nobody has checked."""
FIRST = "omd.thm2.mle"


class TheoremBoard(Explorer):
    """Every claim of the lab with its verdict; open one to see why, and run the lab on it again.

        board = TheoremBoard()                      # with the kept verdicts, where the record is
        board.open("maac.thm41.printed")
        board.do("check")                           # then advance() until board.working is False
        TheoremBoard(tabular.lab.check([my_claim])) # a board of your own

    Args:
      verdicts: a `Board`; or a folder with `records/lab-board.csv` and `certificates/`. By default that of the
        checkout; in an installed package there is none, and every claim stands there as not checked.
      claim: name or id of the claim to open.
      preset: what to begin with instead: "printed", ...
      values: the controls' first values: n, seed, paper, show.

    Raises:
      ValueError for a claim that isn't on the board or a value out of range; OSError for a folder without a record.
    """

    title = "Theorem board"
    scripts = ("theorems/graph.js", "theorems/front.js")
    presets = PRESETS

    n = Slider("Instances", 300, low=10, high=10_000, step=10, hint="Random instances of a check", group="run")
    seed = Slider("Seed", 0, low=0, high=999, step=1, hint="Another seed draws other instances", group="run")
    paper = Choice("Paper", "all", {"all": "All papers", **SHORT}, group="filter")
    show = Choice("Show", "all", SHOW, group="filter")
    form = Choice("Instance as", "numbers", {"numbers": "Numbers", "graph": "Graph"}, group="instance")

    def __init__(
        self, verdicts: Board | str | Path | None = None, *, claim: str | None = None, preset: str = "", **values
    ):
        kept = stored.DOCS if verdicts is None else verdicts
        self.board_claims: tuple[Claim, ...] = every()
        self.known: Mapping[str, Known] = {}
        if isinstance(kept, Board):
            self.board_claims, self.known = kept.claims, stored.on_board(kept)
        elif verdicts is not None or (stored.DOCS / stored.RECORD).exists():
            self.known = stored.recorded(Path(kept))
        self.results: dict[str, list[tuple[str, Verdict]]] = {}
        """Verdicts found here, by claim, the newest first, each with what was run."""
        self.claim = self.board_claims[0]
        self.dropped: tuple[str, ...] = ()
        self.query = ""
        self.looked = ""
        self.live: Live | None = None
        self.verified: float | None = None
        super().__init__()
        if preset:
            self.preset(preset)
        else:
            self.open(claim or (FIRST if FIRST in self._by_name else self.claim.name))
        self.set(**values)
        self._beginning = self.state()

    # The board

    @cached_property
    def _by_name(self) -> dict[str, Claim]:
        return {claim.name: claim for claim in self.board_claims}

    def status(self, claim: Claim) -> str:
        """The kept verdict on a claim, else the newest found here under all hypotheses, else ""."""
        return self._verdict(claim)[0]

    def ratio(self, claim: Claim) -> float:
        """The largest lhs / rhs known of a claim; NaN if there is none."""
        return self._verdict(claim)[1]

    def _verdict(self, claim: Claim) -> tuple[str, float]:
        if claim.name in self.known:
            known = self.known[claim.name]
            return known.status, known.max_ratio
        full = (found for _, found in self.results.get(claim.name, ()) if found.outside == claim.outside)
        newest = next(full, None)
        return ("", math.nan) if newest is None else (newest.status, newest.max_ratio)

    def matches(self, claim: Claim, show: str) -> bool:
        """Whether a claim is one of those that a choice shows."""
        status = self.status(claim)
        return {
            "all": True,
            "holds": status == HOLDS,
            "violated": status in VIOLATED,
            "open": status != HOLDS and status not in VIOLATED,
            "sharp": claim.sharp,
            "printed": claim.doubted and not claim.control,
            "control": claim.control,
        }[show]

    def listed(self, show: str) -> list[Claim]:
        """The claims of the chosen paper that hold the words searched for, and that a choice shows."""
        words = self.query.lower().split()
        return [
            claim
            for claim in self.board_claims
            if self.paper in ("all", claim.paper)
            and self.matches(claim, show)
            and all(word in _searched(claim) for word in words)
        ]

    @action()
    def search(self, text: str) -> None:
        """Show only the claims with these words in name, id, source or statement."""
        self.query = str(text)
        self.refresh()

    # The claim that is open

    @action()
    def open(self, name: str) -> None:
        """Open a claim, by name or id. A run that goes on for another one ends.

        Raises:
          ValueError if it isn't on the board.
        """
        known = {key: claim for claim in self.board_claims for key in (claim.name, claim.id)}
        if name not in known:
            raise ValueError(f"no claim on the board is called {name!r}.{suggestion(str(name), known)}")
        self.claim = known[name]
        self.dropped, self.live, self.verified = (), None, None
        self._forget("witnesses")
        self.looked = next(iter(self.witnesses), "")
        self.refresh()

    @action()
    def assume(self, hypothesis: str, on: bool) -> None:
        """Take a hypothesis for granted, or drop it: what the lab then says is outside of the source.

        Raises:
          ValueError if the claim has no such hypothesis.
        """
        self.claim.without(hypothesis)  # raises
        rest = [name for name in self.dropped if name != hypothesis]
        self.dropped = tuple(rest if on else [*rest, hypothesis])
        self.live = None
        self.refresh()

    @action()
    def look(self, key: str) -> None:
        """Draw another instance: one of `witnesses`. Raises ValueError if there is none of this name."""
        if key not in self.witnesses:
            raise ValueError(f"there is no instance {key!r}, expected one of {', '.join(self.witnesses)}.")
        self.looked = key
        self._forget()
        self.refresh()

    @cached_property
    def witnesses(self) -> dict[str, tuple[str, Values]]:
        """Instances of the claim that can be drawn, each with what it is."""
        found: dict[str, tuple[str, Values]] = {}
        known = self.known.get(self.claim.name)
        if known and known.certificate:
            facts, arrays = stored.certified(known.certificate)
            found["certificate"] = (f"Certified: {facts['kind']}", arrays)
        if known and known.worst and not (known.violations + known.starts_that_violate and known.certificate):
            found["worst"] = (f"Kept: least slack ({known.source})", known.worst)
        if known and known.tightest:
            found["tightest"] = ("Kept: largest ratio", known.tightest)
        latest = {label.split(",")[0]: (label, verdict) for label, verdict in reversed(self._results)}
        for kind, (label, verdict) in latest.items():
            for which, name in (("worst", "least slack"), ("tightest", "largest ratio")):
                witness = getattr(verdict, which)
                if witness is not None:
                    found[f"{kind}.{which}"] = (f"{kind.capitalize()}: {name} ({label})", witness.arrays)
        return found

    @property
    def _results(self) -> list[tuple[str, Verdict]]:
        return self.results.get(self.claim.name, [])

    @cached_property
    def instance(self) -> dict[str, Any] | None:
        """The instance that is looked at: its tables, and both sides of the claim on it."""
        if self.looked not in self.witnesses:
            return None
        label, values = self.witnesses[self.looked]
        by = "ratio" if self.looked.endswith("tightest") else "slack"
        return {"label": label, "tables": tables(self.claim, values), "sides": compared(self.claim, values, by)}

    @cached_property
    def mdps(self) -> dict[str, AnyMDP]:
        """The instance as an MDP under "", and its model under "_hat", where it has them."""
        return mdps(self.claim, self.witnesses[self.looked][1]) if self.looked else {}

    @cached_property
    def graphs(self) -> list[dict[str, Any]]:
        """Those of them that can be read as graphs."""
        return graphs(self.mdps)

    # The lab

    @action("Check", key="c", hint="Evaluate the claim on random instances", group="lab")
    def check(self) -> None:
        """Begin to evaluate the claim on random instances, as far as its hypotheses aren't dropped."""
        self._begin("check")

    @action("Attack", key="a", hint="Climb from random starts towards a violation", group="lab")
    def attack(self) -> None:
        """Begin to search for a violation by gradients."""
        self._begin("attack")

    def _begin(self, kind: str) -> None:
        self.live = Live(self.claim.without(*self.dropped), kind, int(self.seed), int(self.n))
        self.refresh()

    @property
    def working(self) -> bool:
        """Whether a run goes on."""
        return self.live is not None and self.live.going

    @action()
    def advance(self) -> None:
        """Go on for a moment with the run, if one goes on."""
        if self.live is None or not self.live.going:
            return
        try:
            self.live.advance()
        except Exception:
            self.live.stopped = True
            raise
        if self.live.verdict is not None:
            self._keep(self.live.label, self.live.verdict)
        self.refresh()

    def _keep(self, label: str, verdict: Verdict) -> None:
        """Put a verdict beside the kept one, and look at what it rests on."""
        self.results[self.claim.name] = [(label, verdict), *self._results]
        self.verified = None
        self._forget("witnesses")
        kind, which = label.split(",")[0], "worst" if verdict.violations else "tightest"
        wanted = [f"{kind}.{which}", f"{kind}.worst", self.looked]
        self.looked = next((key for key in wanted if key in self.witnesses), "")

    def _forget(self, *more: str) -> None:
        for name in ("instance", "mdps", "graphs", *more):
            vars(self).pop(name, None)

    @action("Stop", key="s", hint="End the run; what was counted stays on the screen", group="lab")
    def stop(self) -> None:
        """End the run. It gives no verdict."""
        if self.live is not None:
            self.live.stopped = True
        self.refresh()

    # The certificate

    @property
    def certificate(self) -> str:
        """The text of the newest certificate of the claim; empty if there is none."""
        own = (verdict.certificate for _, verdict in self._results if verdict.certificate is not None)
        newest = next(own, None)
        if newest is not None:
            return newest.to_json()
        known = self.known.get(self.claim.name)
        return known.certificate if known else ""

    @action("Verify", key="v", hint="Compute the certificate anew, without floating point", group="certificate")
    def verify(self) -> None:
        """Compute everything in the certificate anew in exact arithmetic; `verified` is the time that it took, in s.

        Raises:
          ValueError if it doesn't show what it says.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{self.claim.name}.json"
            file.write_text(self.certificate, encoding="utf-8")
            began = time.perf_counter()
            recheck(file, self.claim)
            self.verified = time.perf_counter() - began
        self.refresh()

    @action("Certificate", hint="Download the certificate (tabular certify reads it)", group="certificate")
    def export_certificate(self) -> Download:
        """The certificate for the browser."""
        return Download(f"{self.claim.name}.json", "application/json", self.certificate.encode())

    # What is drawn

    def spec(self) -> dict[str, Any]:
        """Also what the board is made of."""
        names = ("name", "id", "paper", "source", "sharp", "control")
        here = {name: each for name, each in super().spec()["presets"].items() if self._has(name)}
        return super().spec() | {
            "presets": here,
            "claims": [{name: getattr(claim, name) for name in names} for claim in self.board_claims],
            "papers": {claim.paper: PAPERS.get(claim.paper, claim.paper) for claim in self.board_claims},
            "statuses": ["not checked", *STATUSES],
        }

    def _has(self, preset: str) -> bool:
        return self.presets[preset].state["claim"] in self._by_name

    def scene(self) -> dict[str, Any]:
        """The board, the open claim, the instance that is looked at, and the run."""
        shown = {claim.name for claim in self.listed(self.show)}
        return {
            "preset": self.preset_name,
            "status": np.array([CODES.index(self.status(claim)) for claim in self.board_claims], dtype=np.uint8),
            "ratio": np.array([self.ratio(claim) for claim in self.board_claims]),
            "shown": np.array([claim.name in shown for claim in self.board_claims], dtype=np.uint8),
            "counts": {show: len(self.listed(show)) for show in SHOW},
            "query": self.query,
            "open": self._opened(),
            "instances": {key: label for key, (label, _) in self.witnesses.items()},
            "looked": self.looked,
            "instance": self.instance,
            "graphs": self.graphs if self.form == "graph" else [],
            "run": self.live and self.live.scene(),
            "certificate": self._certificate(),
        }

    def _opened(self) -> dict[str, Any]:
        claim, known = self.claim, self.known.get(self.claim.name)
        here = {other.name for other in self.board_claims}
        counts = ("instances", "violations", "starts", "starts_that_violate", "checked_ratio", "max_ratio")
        return {
            "name": claim.name,
            "id": claim.id,
            "source": claim.source,
            "text": paragraphs(claim),
            "status": CODES.index(self.status(claim)),
            "hypotheses": [{"name": each.name, "on": each.name not in self.dropped} for each in claim.hypotheses],
            "outside": list(claim.outside),
            "control": claim.control,
            "sharp": claim.sharp,
            "corrected": claim.corrected if claim.corrected in here else "",
            "printed": [other.name for other in self.board_claims if other.corrected == claim.name],
            "known": known and plain({name: getattr(known, name) for name in counts}),
            "results": [_told(label, verdict) for label, verdict in self._results[:5]],
        }

    def _certificate(self) -> dict[str, Any] | None:
        if not self.certificate:
            return None
        facts, _ = stored.certified(self.certificate)
        names = ("kind", "arithmetic", "relation", "lhs", "rhs", "outside")
        return {name: facts[name] for name in names} | {"verified": self.verified}

    def figure(self) -> Figure:
        """The board, and the open claim in words."""
        from tabular.plot.verdicts import verdicts

        rows = [(SHORT.get(c.paper, c.paper), c.id, self.status(c), self.ratio(c)) for c in self.listed(self.show)]
        title = f"{self.claim.name} ({self.claim.id})"
        return verdicts(rows, title=title, text=self.claim.text, marked=self.claim.id, instance=self.mdps.get(""))

    # State

    def disabled(self) -> dict[str, str]:
        """What makes no sense now."""
        reasons: dict[str, str] = {}
        if not any(mdp.S in READABLE for mdp in self.mdps.values()):
            reasons["form"] = "this instance isn't an MDP of 2 to 6 states."
        if not self.certificate:
            why = "there is no certificate: nothing exact was found about this claim."
            reasons |= {"verify": why, "export_certificate": why}
        if self.working:
            why = "a run goes on. Stop it first."
            return reasons | {"check": why, "attack": why}
        return reasons | {"stop": "nothing is running."}

    def state(self) -> dict[str, Any]:
        """Controls, the open claim, the hypotheses that are dropped and what is searched for."""
        return super().state() | {"claim": self.claim.name, "dropped": self.dropped, "query": self.query}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a state. Results that were found here stay."""
        rest = dict(state)
        name, dropped = rest.pop("claim", self.claim.name), rest.pop("dropped", ())
        query = rest.pop("query", "")
        with self.together():
            self.set(**rest)
            self.open(name)
            for hypothesis in dropped:
                self.assume(hypothesis, False)
            self.query = query

    def __repr__(self) -> str:
        status = self.status(self.claim) or "not checked"
        return f"TheoremBoard({len(self.board_claims)} claims, {self.claim.name}: {status})"


def _searched(claim: Claim) -> str:
    """Where words are searched for."""
    return f"{claim.name} {claim.id} {claim.source} {claim.text}".lower()


def _told(label: str, verdict: Verdict) -> dict[str, Any]:
    """A verdict in plain numbers, with what was run."""
    names = ("status", "n", "violations", "undecided", "min_slack", "max_ratio", "seconds")
    facts = plain({name: getattr(verdict, name) for name in names})
    return facts | {"label": label, "outside": list(verdict.outside), "certified": verdict.certificate is not None}
