"""The commands of a conversation: `/set`, `/show`, `/load`, `/save` and the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from paddock.cli.answer import show_text
from paddock.cli.client import Refused
from paddock.cli.conversation import Conversation
from paddock.cli.history import History
from paddock.cli.spinner import Spinner
from paddock.cli.table import printable
from paddock.cli.terminal import harmless
from paddock.errors import ModelfileError, PaddockError

HELP: Final = """\
Commands:
  /set            Set what holds for this conversation
  /show           Show what a model is
  /load MODEL     Begin anew with another model, or with a saved conversation
  /save MODEL     Save the conversation and what was set as a model
  /clear          Forget what was said
  /list           List the models
  /bye            Leave
  /?, /help       Help for a command: /? set, /? show, /? shortcuts

Three quotes (\"\"\") begin a message of several lines, and end it.
"""
_HELP_SET: Final = """\
  /set parameter NAME VALUE…    Set a parameter; without NAME, list them
  /set system TEXT              Set the system message
  /set history, nohistory       Keep what is typed, or do not
  /set wordwrap, nowordwrap     Break lines between words, or do not
  /set format json, noformat    Answer in JSON, or freely
  /set verbose, quiet           Show counts and times of each answer, or do not
  /set think [LEVEL], nothink   Think before answering, or do not
"""
_HELP_SHOW: Final = """\
  /show info          What the model is
  /show license       Its license
  /show modelfile     Its Modelfile
  /show parameters    Its parameters, and those that were set here
  /show system        The system message
  /show template      Its template
"""
_HELP_SHORTCUTS: Final = """\
  Ctrl-A, Ctrl-E        To the begin, to the end of the line
  Alt-B, Alt-F          A word back, a word on
  Ctrl-K, Ctrl-U        Cut up to the end, up to the begin of the line
  Ctrl-W                Cut the word before the cursor
  Ctrl-R                Search in what was typed before
  Ctrl-G                Go on in an editor ($EDITOR)
  Ctrl-L                Clear the screen
  Tab                   Complete a command or a model's name
  Ctrl-C                Stop the answer
  Ctrl-D                Leave
"""
_HELPS: Final = {"set": _HELP_SET, "show": _HELP_SHOW, "shortcuts": _HELP_SHORTCUTS}

COMMANDS: Final = ("/set", "/show", "/load", "/save", "/clear", "/list", "/bye", "/exit", "/help")
SETTINGS: Final = (
    *("parameter", "system", "history", "nohistory", "wordwrap", "nowordwrap"),
    *("format", "noformat", "verbose", "quiet", "think", "nothink"),
)
PARTS: Final = ("info", "license", "modelfile", "parameters", "system", "template")
_LEVELS: Final = ("low", "medium", "high", "max")


class Display:
    """How answers are shown."""

    def __init__(self, *, wrap: bool, verbose: bool, hide_thinking: bool) -> None:
        self.wrap = wrap
        self.verbose = verbose
        self.hide_thinking = hide_thinking


class SlashCommands:
    """Runs the commands; what they tell goes to stdout."""

    def __init__(self, conversation: Conversation, display: Display, history: History) -> None:
        self._conversation = conversation
        self._display = display
        self._history = history
        self._commands: Mapping[str, Callable[[str], None]] = {
            "/set": self._set,
            "/show": self._show,
            "/load": self.load,
            "/save": self._save,
            "/clear": self._clear,
            "/list": self._list,
            "/help": self._help,
            "/?": self._help,
        }

    def run(self, text: str) -> bool:
        """Run a command. False when it ends the conversation.

        Raises what the client does; nothing is changed then.
        """
        name, _, rest = text.strip().partition(" ")
        if name in {"/bye", "/exit"}:
            return False
        command = self._commands.get(name)
        if command is None:
            _tell(f"Unknown command '{name}'. Type /? for help")
        else:
            command(rest.strip())
        return True

    def load(self, name: str) -> None:
        """Begin anew with that model, in memory, and show what it begins with."""
        if not name:
            _tell("Usage:\n  /load MODEL")
            return
        _tell(f"Loading model '{name}'")
        try:
            shown = self._conversation.client.post("/api/show", {"model": name})
        except Refused as error:
            if error.status != 404:
                raise
            raise Refused(f"couldn't find model '{name}'", hint=error.message) from error
        with Spinner():
            self._conversation.switch(name, shown)
            self._conversation.load()
        self.show_opening()

    def show_opening(self) -> None:
        """Show the messages that the model itself begins with."""
        for message in self._conversation.opening:
            if message.get("role") == "user":
                _tell(f">>> {harmless(message.get('content') or '')}")
            elif message.get("role") == "assistant":
                show_text(message.get("content") or "", wrap=self._display.wrap)

    def _save(self, name: str) -> None:
        if not name:
            _tell("Usage:\n  /save MODEL")
            return
        self._conversation.save(name)
        _tell(f"Created new model '{name}'")

    def _clear(self, _: str) -> None:
        self._conversation.messages.clear()
        _tell("Cleared session context")

    def _list(self, _: str) -> None:
        from paddock.cli.list import print_short

        print_short(self._conversation.client, "")

    def _help(self, topic: str) -> None:
        sys.stdout.write(_HELPS.get(topic.removeprefix("/"), HELP) + "\n")

    # --- /set

    def _set(self, text: str) -> None:
        name, _, value = text.partition(" ")
        value = value.strip()
        settings: Mapping[str, Callable[[str], None]] = {
            "parameter": self._set_parameter,
            "system": self._set_system,
            "format": self._set_format,
            "noformat": lambda _: self._switch("format", "", "Disabled format."),
            "think": self._set_think,
            "nothink": lambda _: self._switch("think", False, "Set 'nothink' mode."),
            "history": lambda _: self._set_history(on=True),
            "nohistory": lambda _: self._set_history(on=False),
            "wordwrap": lambda _: self._show_as("wrap", True, "Set 'wordwrap' mode."),
            "nowordwrap": lambda _: self._show_as("wrap", False, "Set 'nowordwrap' mode."),
            "verbose": lambda _: self._show_as("verbose", True, "Set 'verbose' mode."),
            "quiet": lambda _: self._show_as("verbose", False, "Set 'quiet' mode."),
        }
        if name in settings:
            settings[name](value)
        elif name:
            _tell(f"Unknown command '/set {name}'. Type /? set for help")
        else:
            sys.stdout.write(_HELP_SET + "\n")

    def _switch(self, field: str, value: Any, told: str) -> None:
        setattr(self._conversation, field, value)
        _tell(told)

    def _show_as(self, field: str, value: bool, told: str) -> None:
        setattr(self._display, field, value)
        _tell(told)

    def _set_history(self, *, on: bool) -> None:
        self._history.on = on
        _tell(f"Set '{'history' if on else 'nohistory'}' mode.")

    def _set_system(self, text: str) -> None:
        if not text:
            _tell("Usage:\n  /set system TEXT")
            return
        self._conversation.system = text.strip("\n")
        _tell("Set system message.")

    def _set_format(self, text: str) -> None:
        if text != "json":
            _tell("Invalid or missing format. For 'json' mode use '/set format json'")
            return
        self._switch("format", "json", "Set format to 'json' mode.")

    def _set_think(self, level: str) -> None:
        if level and level not in _LEVELS:
            _tell(f"The levels are {', '.join(_LEVELS)}.")
            return
        if "thinking" not in self._conversation.capabilities:
            _tell(f'warning: model "{self._conversation.model}" does not support thinking')
        self._switch("think", level or True, f"Set 'think' mode{level and f' to {level!r}'}.")

    def _set_parameter(self, text: str) -> None:
        from paddock.library.modelfile import PARAMETERS, value_of

        name, *values = text.split()
        if not values:
            known = "\n".join(f"  {one} {_KINDS[kind]}" for one, kind in PARAMETERS.items())
            _tell(f"Usage:\n  /set parameter NAME VALUE…\n\nParameters:\n{known}")
            return
        try:
            read = [value_of(name, value) for value in values]
        except ModelfileError as error:
            _tell(f"Couldn't set parameter: {error.message}" + (error.hint and f" ({error.hint})"))
            return
        is_list = PARAMETERS[name] is list
        self._conversation.options[name] = read if is_list else read[0]
        _tell(f"Set parameter '{name}' to '{', '.join(values) if is_list else values[0]}'")

    # --- /show

    def _show(self, part: str) -> None:
        shown = self._conversation.shown
        if part == "info":
            from paddock.cli.show_sections import sections

            sys.stdout.write(sections(shown))
        elif part == "parameters":
            self._show_parameters(shown)
        elif part == "system":
            system = self._conversation.system or shown.get("system")
            _tell(printable(system or "No system message was specified for this model."))
        elif part in PARTS:
            _tell(printable(shown.get(part) or f"No {part} was specified for this model."))
        else:
            sys.stdout.write(_HELP_SHOW + "\n")

    def _show_parameters(self, shown: dict[str, Any]) -> None:
        told = str(shown.get("parameters") or "").strip()
        if told:
            _tell(f"Model defined parameters:\n{printable(told)}\n")
        else:
            _tell("No additional parameters were specified for this model.\n")
        if self._conversation.options:
            _tell("User defined parameters:")
            for name, value in self._conversation.options.items():
                for one in value if isinstance(value, list) else [value]:
                    _tell(f"{name:<30} {one}")


def completions(conversation: Conversation, before: str, word: str) -> list[str]:
    """What a word on a line that begins with a slash may become; nothing in what is said."""
    from paddock.cli.model_names import matching

    words = before.split()
    if not words:
        return [f"{one} " for one in COMMANDS if one.startswith(word)] if word[:1] == "/" else []
    if words[0] in {"/load", "/save"} and len(words) == 1:
        try:
            return matching(conversation.client, word)
        except PaddockError:
            return []
    offered: tuple[str, ...] = ()
    if words == ["/set"]:
        offered = SETTINGS
    elif words == ["/show"]:
        offered = PARTS
    elif words == ["/set", "parameter"]:
        from paddock.library.modelfile import PARAMETERS

        offered = tuple(PARAMETERS)
    elif words in (["/?"], ["/help"]):
        offered = tuple(_HELPS)
    return [f"{one} " for one in offered if one.startswith(word)]


_KINDS: Final = {int: "INTEGER", float: "NUMBER", bool: "true|false", list: "TEXT…"}


def _tell(text: str) -> None:
    """Tell the owner, on stdout like all of the conversation."""
    sys.stdout.write(f"{harmless(text)}\n")
    sys.stdout.flush()
