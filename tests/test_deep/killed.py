"""A training run that kills itself with SIGKILL while it writes a chunk down: `python -m tests.test_deep.killed ...`.

FOLDER        starts a run there, or goes on with it
CHUNK         number of the chunk in this process, from 1, in whose writing it dies
OPERATION     when: before this one of the operations on files and folders that the writing takes, from 1
STEPS         of the run
"""

import os
import signal
import sys
from pathlib import Path

import deep
from deep import training
from deep.runs import ABOUT
from tests.test_deep.small import SEEDS, small

OPERATIONS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree"}


def die_while_writing(folder: str, chunk: int, operation: int) -> None:
    """Count what Python tells of its operations in the folder, in any thread, from the beginning of that writing on."""
    write, writings, left = training._keep, [], [operation]

    def counted(*arguments):
        writings.append(1)
        write(*arguments)

    def hear(event: str, arguments: tuple) -> None:
        if event in OPERATIONS and len(writings) >= chunk and folder in str(arguments[0]):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    training._keep = counted
    sys.addaudithook(hear)


if __name__ == "__main__":
    folder, chunk, operation, steps = sys.argv[1:]
    die_while_writing(folder, int(chunk), int(operation))
    if (Path(folder) / ABOUT).exists():
        deep.resume(folder)
    else:
        deep.train(small(steps=int(steps)), SEEDS, out=folder)
