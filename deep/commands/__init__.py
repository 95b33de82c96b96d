"""The commands of the program, a file for each: `add` describes it to the parser, `run` does the work.

What a command can't do it says by raising ValueError, TypeError, OSError, ImportError or Diverged.
"""
