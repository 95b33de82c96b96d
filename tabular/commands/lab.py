"""`tabular claims`, `verify`, `attack` and `certify`: the theorem lab."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from tabular.output import write


def add(commands) -> None:
    _add_claims(commands)
    _add_verify(commands)
    _add_attack(commands)
    _add_certify(commands)


def _add_claims(commands) -> None:
    text = "List the claims that can be checked: name, id, and what they are about."
    parser = commands.add_parser("claims", help="list the claims of the theorem lab", description=text)
    parser.set_defaults(command=claims)


def claims(arguments: argparse.Namespace) -> None:
    """`tabular claims`: one line for each claim."""
    from tabular.claims import resolve

    known = resolve("all")
    names, ids = (max(len(getattr(claim, part)) for claim in known) for part in ("name", "id"))
    for claim in known:
        print(f"{claim.name:{names}}  {claim.id:{ids}}  {_about(claim)}")


def _about(claim) -> str:
    """The first sentence of a claim, and where it is from, in one line."""
    first = textwrap.dedent(claim.text).strip().split("\n\n")[0]
    return " ".join(f"{first.rstrip('.')} ({claim.source})".split())


def _add_verify(commands) -> None:
    text = "Check claims on random instances. A violation is certain; holding on all tested instances is no proof."
    parser = commands.add_parser(
        "verify",
        help="check claims on random instances",
        description=text,
        epilog="The claims come before --json and --html, or the first would be taken for the name of a file.",
    )
    what = "a claim by name or id, a paper (omd, mnm, itervaml, vagram, maac, classics, equivalence), or all (default)"
    parser.add_argument("names", nargs="*", metavar="CLAIM", help=what)
    parser.add_argument("--n", type=int, default=200, metavar="N", help="instances for each claim (default: 200)")
    _add_seed(parser)
    drop = "drop a hypothesis; the verdict names it (may be given several times)"
    parser.add_argument("--without", action="append", default=[], metavar="HYPOTHESIS", help=drop)
    _add_json(parser, "a list of verdicts")
    parser.add_argument("--html", metavar="FILE", help="write the board as a page for the browser")
    parser.set_defaults(command=verify)


def verify(arguments: argparse.Namespace) -> None:
    """`tabular verify`: a board of verdicts."""
    from tabular.claims import PAPERS, every
    from tabular.lab import check
    from tabular.lab.processes import cores

    if not arguments.names and arguments.json in {"all", *PAPERS, *(key for c in every() for key in (c.name, c.id))}:
        raise ValueError(
            f"--json {arguments.json} would be a file; put claims first: tabular verify {arguments.json} --json."
        )
    _check_places(arguments.json, arguments.html)
    settings = {"n": arguments.n, "seed": arguments.seed, "without": arguments.without}
    board = check(arguments.names or "all", **settings, progress=True, workers=cores())
    _show(arguments.json, str(board), board.to_json())
    if arguments.html is not None:
        _save(arguments.html, board.to_html(), arguments.json)


def _add_attack(commands) -> None:
    text = "Search for a counterexample of a claim, or for how near its sides come, by optimisation."
    parser = commands.add_parser("attack", help="search for a counterexample of a claim", description=text)
    parser.add_argument("claim", metavar="CLAIM", help="a claim by name or id")
    _add_seed(parser)
    _add_json(parser, "the verdict")
    parser.add_argument("--certificate", metavar="FILE", help="write the certificate, for tabular certify")
    parser.set_defaults(command=attack)


def attack(arguments: argparse.Namespace) -> None:
    """`tabular attack`: one verdict."""
    from tabular.claims import find
    from tabular.lab import attack

    _check_places(arguments.json, arguments.certificate)
    verdict = attack(find(arguments.claim), seed=arguments.seed, progress=True)
    certificate = verdict.certificate
    _show(arguments.json, "\n".join(map(str, (verdict, certificate) if certificate else (verdict,))), verdict.to_json())
    if arguments.certificate is not None:
        if certificate is None:
            raise ValueError(f"{verdict.claim} is {verdict.status!r} here: there is no certificate to write.")
        _save(arguments.certificate, certificate.to_json(), arguments.json)


def _add_certify(commands) -> None:
    text = "Check a certificate again, without floating point: its claim, its instance, and both sides."
    parser = commands.add_parser("certify", help="check a certificate again, exactly", description=text)
    parser.add_argument("file", metavar="FILE", help="written by tabular attack --certificate, or from Python")
    parser.set_defaults(command=certify)


def certify(arguments: argparse.Namespace) -> None:
    """`tabular certify`: what the certificate shows, and what was checked."""
    from tabular.lab.stored import recheck

    certificate = recheck(arguments.file)
    print(certificate)
    print(f"\n{textwrap.indent(certificate.statement, '  ')}\n")
    print("checked: the instance meets the claim's hypotheses, and both sides, computed anew, are as written")


def _add_seed(parser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the random instances (default: 0)")


def _add_json(parser, content: str) -> None:
    text = f"print {content} as JSON, or write it to FILE"
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help=text)


def _check_places(*files: str | None) -> None:
    """Refuse what can't be written before the work is done."""
    for file in files:
        if file is not None and file != "-":
            if Path(file).is_dir():
                raise OSError(f"can't write {file}: it is a folder.")
            if not Path(file).parent.is_dir():
                raise OSError(f"can't write {file}: there is no folder {Path(file).parent}.")


def _show(json: str | None, text: str, content: str) -> None:
    """Text, JSON, or JSON in a file."""
    if json is None:
        print(text)
    elif json == "-":
        print(content)
    else:
        _save(json, content, json)


def _save(file: str, content: str, json: str | None) -> None:
    """Write a file and say so, unless standard output is JSON."""
    write(file, content)
    if json != "-":
        print(f"wrote {file}")
