"""The program `tabular`; `python -m tabular` is the same.

The commands are in `tabular.commands`. An error of theirs ends the program with status 2 and one message.
"""

from __future__ import annotations

import argparse
import os
import sys

from tabular.commands import lab, message, reproduce, solve, version
from tabular.errors import NotConverged


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 2 for bad input, 130 after Ctrl-C, 141 for a closed pipe."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed the help or the error
        return int(stop.code or 0)
    if "command" not in arguments:
        parser.print_help()
        return 0
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would complain again
        return 141
    except KeyboardInterrupt:
        print("tabular: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, NotConverged, ImportError) as error:
        print(f"tabular: {message(error)}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tabular",
        usage="tabular [-h] [--version] COMMAND ...",
        description="An exact microscope for Markov decision processes.",
        epilog="tabular COMMAND --help says more.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND ...", prog="tabular")
    for command in (solve, lab, reproduce):
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
