"""The conversation on a terminal: asks for lines, and shows the answers."""

from __future__ import annotations

import os
import sys

from paddock.cli.answer import Answer
from paddock.cli.attachments import Attachment, attached
from paddock.cli.conversation import Conversation
from paddock.cli.history import History, history_file
from paddock.cli.line_editor import LineEditor
from paddock.cli.slash import Display, SlashCommands, completions
from paddock.cli.spinner import Spinner
from paddock.cli.table import printable
from paddock.cli.told import tell_added, tell_final
from paddock.cli.typed import Typed
from paddock.errors import PaddockError


class Repl:
    """Reads, asks the model, shows, until Ctrl-D or `/bye`."""

    def __init__(self, conversation: Conversation, display: Display) -> None:
        history = History(history_file(os.environ))
        self._conversation = conversation
        self._display = display
        self._commands = SlashCommands(conversation, display, history)
        self._editor = LineEditor(
            history, lambda before, word: completions(conversation, before, word)
        )
        self._typed = Typed()

    def run(self) -> None:
        """Bring the model into memory, then talk. Raises what the client does for the first."""
        with Spinner():
            self._conversation.load()
        sys.stdout.write("Send a message (/? for help)\n")
        self._commands.show_opening()
        while self._turn():
            pass

    def _turn(self) -> bool:
        """One line. False when the conversation is over."""
        try:
            entry = self._typed.feed(self._editor.read(self._typed.prompt))
            if entry is None or not entry.text.strip():
                return True
            self._editor.add(entry.text)
            if entry.is_command and not _is_a_file(entry.text):
                return self._commands.run(entry.text)
            self._ask(entry.text)
        except EOFError:
            sys.stdout.write("\n")
            return False
        except KeyboardInterrupt:
            self._interrupted()
        except PaddockError as error:
            hint = f"\n  {error.hint}" if error.hint else ""
            sys.stderr.write(printable(f"Error: {error.message}{hint}\n"))
        return True

    def _interrupted(self) -> None:
        if self._typed.prompt == ">>> " and self._editor.is_empty():
            sys.stdout.write("\nUse Ctrl + d or /bye to exit.\n")
        else:
            sys.stdout.write("\n")
        self._typed.drop()

    def _ask(self, text: str) -> None:
        files: list[Attachment] = []
        if self._conversation.takes_files:
            text, files = attached(text)
            tell_added(files)
        answer = Answer(wrap=self._display.wrap, hide_thinking=self._display.hide_thinking)
        try:
            answer.show(self._conversation.chat(text, files))
        except KeyboardInterrupt:
            pass  # the daemon stops with the connection; what came is kept
        except PaddockError:
            if not answer.text:
                self._conversation.take_back()
                raise
            self._conversation.answered(answer.text, answer.thinking)
            raise
        if answer.text or answer.final:
            self._conversation.answered(answer.text, answer.thinking)
        else:
            self._conversation.take_back()
        tell_final(answer, verbose=self._display.verbose)


def _is_a_file(text: str) -> bool:
    """A path that was typed or dropped first on the line, not a command."""
    return text.lstrip().partition(" ")[0].count("/") > 1
