"""The program `deep`; `python -m deep` is the same.

The commands are in `deep.commands`. An error of theirs ends the program with status 2 and one message.
"""

from __future__ import annotations

import argparse
import os
import sys

from tabular.commands import message, version


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 2 for bad input, 130 after Ctrl-C, 141 for a closed pipe."""
    try:
        parser = _parser()
        arguments, rest = parser.parse_known_args(argv)
        if "command" not in arguments:
            parser.print_help()
            return 0
        if rest and arguments.name not in OPEN:
            parser.error(
                f"deep {arguments.name} has no {' '.join(rest)}; deep {arguments.name} --help says what it has."
            )
        arguments.command(arguments, rest)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse or tyro has printed the help or the error
        return int(stop.code or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would complain again
        return 141
    except KeyboardInterrupt as stop:
        return _interrupted(stop)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if not _expected(error):
            raise
        print(f"deep: {message(error)}", file=sys.stderr)
        return 2
    return 0


OPEN = ("train", "sweep")
"""Commands that take any field of a configuration."""


def _parser() -> argparse.ArgumentParser:
    try:
        from deep.commands import reproduce, runs, sweep, train
    except ImportError as error:
        raise ImportError(f"{error}: pip install 'mdpscope[deep]'") from error

    parser = argparse.ArgumentParser(
        prog="deep",
        usage="deep [-h] [--version] COMMAND ...",
        description="Objectives for learned models, with neural networks.",
        epilog="deep COMMAND --help says more.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND ...", prog="deep", dest="name")
    for command in (train, runs, sweep, reproduce):
        command.add(commands)
    return parser


def _expected(error: Exception) -> bool:
    """Whether it is bad input or a failed run, and no mistake of ours: those show where they happened."""
    from deep.errors import Diverged
    from tabular.errors import NotConverged

    return not isinstance(error, RuntimeError) or isinstance(error, Diverged | NotConverged)


def _interrupted(stop: KeyboardInterrupt) -> int:
    folder = getattr(getattr(stop, "result", None), "folder", None)
    how = f"; deep train --resume {folder} goes on" if folder else ""
    print(f"deep: interrupted{how}", file=sys.stderr)
    return 130


if __name__ == "__main__":
    sys.exit(main())
