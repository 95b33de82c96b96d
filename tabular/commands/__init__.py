"""The commands of the program, a file for each group: `add` describes them to the parser, the others do the work.

What a command can't do it says by raising ValueError, OSError or NotConverged.
"""
