"""The command line: one file per command, imported only when it runs.

stdout is data, stderr is talk. Exit codes: 1 for an error, with one line that says what to do; 2
for a wrong call or a wrong configuration. Commands that talk to a running daemon import nothing
beyond click and the standard library, so that they answer at once.
"""

from paddock.cli.group import main

__all__ = ["main"]
