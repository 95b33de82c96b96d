"""The board: text, JSON and a page."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest

from tabular import lab
from tabular.lab.board import HEAD
from tests.lab import statements


@pytest.fixture(scope="module")
def board():
    return lab.check(["O6", "O6x", "omd.thm2.mle.sharp", statements.half, statements.of_nothing], n=150)


class Page(HTMLParser):
    """Elements that were opened and not closed, names that links lead to, and places outside of the page."""

    EMPTY = ("meta", "rect", "path")

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.links, self.elsewhere, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.elsewhere += [found[name] for name in ("src", "data", "action") if name in found]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.EMPTY

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_board_is_a_sequence_of_verdicts(board):
    assert len(board) == 5 and [verdict.id for verdict in board] == ["O6", "O6x", "O7c", "half", "never"]
    assert board["O6x"] is board["omd.thm2.mle.signed"] is board[1]
    with pytest.raises(KeyError):
        board["O7"]


def test_board_json_is_a_list_of_verdicts(board):
    found = json.loads(board.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found == [json.loads(verdict.to_json()) for verdict in board]


def test_board_in_text_has_one_aligned_line_for_each_claim(board):
    lines = str(board).splitlines()
    assert re.split(r"  +", lines[0]) == list(HEAD)
    assert [line.split()[0] for line in lines[1:6]] == [verdict.claim for verdict in board]
    verdicts = lines[0].index("verdict")
    assert all(line[verdicts:].startswith(verdict.status) for line, verdict in zip(lines[1:6], board, strict=True))
    end = lines[0].index(" remarks")
    assert {line[:end].rstrip()[-1] for line in lines[1:4]} <= set("0123456789")
    assert "outside: rewards in [0, r_max]" in lines[2] and lines[3].endswith("attained")


def test_board_summary_counts_each_status(board):
    assert re.fullmatch(
        r"5 claims in \d+\.\d s: holds on all tested 2, violated \(certified\) 2, vacuous 1", board.summary
    )
    assert str(board).endswith(board.summary)


def test_board_tells_whether_a_control_failed():
    control = dataclasses.replace(statements.half, control=True)
    tame = dataclasses.replace(statements.half_of_small, control=True)
    fails, holds = str(lab.check([control, tame], n=20)).splitlines()[1:3]
    assert fails.endswith("control: fails as it must") and holds.endswith("control: must fail, but didn't here")


def test_page_is_whole_and_needs_no_other_file(board):
    page = Page(board.to_html())
    assert page.open == [] and page.elsewhere == []
    assert "http" not in board.to_html() and "@import" not in board.to_html()
    assert page.ids == [claim.name for claim in board.claims]


def test_page_shows_statement_source_verdict_and_instance_of_each_claim(board):
    text = Page(board.to_html()).text
    for claim, verdict in zip(board.claims, board, strict=True):
        assert claim.text.strip().splitlines()[0] in text and claim.source in text and verdict.status in text
    assert "1/10" in text and "rewards in [0, r_max]" in text and "Nikishin et al. 2021" in text


def test_page_links_a_printed_form_and_the_one_that_holds():
    printed = dataclasses.replace(statements.half, corrected="test.half.small")
    page = Page(lab.check([printed, statements.half_of_small], n=5).to_html())
    assert page.links == ["#test.half.small", "#test.half"] and set(page.ids) == {"test.half", "test.half.small"}


def test_page_escapes_what_a_claim_says():
    odd = dataclasses.replace(statements.half, source="<script>alert(1)</script>")
    html = lab.check(odd, n=2).to_html()
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_page_tells_verdicts_apart_without_colour(board):
    text = Page(board.to_html()).text
    assert "✓ holds on all tested" in text and "✗ violated (certified)" in text and "∅ vacuous" in text


def test_board_in_a_notebook_is_the_same_as_the_page(board):
    inner = board._repr_html_()
    assert inner.split("</style>")[1].strip() in board.to_html()
