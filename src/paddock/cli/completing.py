"""Answers a shell that completes a word of a `paddock` command line."""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

_VARIABLE = "_PADDOCK_COMPLETE"

_BASH = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case "$kind" in
            plain) COMPREPLY+=("$value") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" \\
        COLONS="${COMP_WORDBREAKS//[^:]/}" %(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@add_completion_class
class ColonBash(BashComplete):
    """Bash breaks words at colons, and models' names have them: the line itself is read instead."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor's, and the begin of that one."""
        line = os.environ["COMP_LINE"].encode()[: int(os.environ["COMP_POINT"])].decode()
        words = split_arg_string(line)
        incomplete = "" if not words or line[-1:].isspace() else words.pop()
        return words[1:], incomplete

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """As click's, less what bash takes as finished: all up to the last colon."""
        done = incomplete.rpartition(":") if os.environ.get("COLONS") else ("", "", "")
        found = super().get_completions(args, incomplete)
        for item in found:
            item.value = item.value.removeprefix(done[0] + done[1])
        return found


def script(command: click.Command, shell: str) -> str:
    """What the shell is to source."""
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101
    return ShellComplete.source(made(command, {}, "paddock", _VARIABLE)) + "\n"
