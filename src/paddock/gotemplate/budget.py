"""What executions may cost."""

from __future__ import annotations

from typing import Final

from paddock.errors import TemplateError

STEPS: Final = 100_000
"""A step is about a microsecond."""
OUTPUT: Final = 4 << 20
"""Characters."""
CHARACTERS_PER_STEP: Final = 64
COMPOUND: Final = 16
"""How much dearer a character is of what is put together of parts."""


class Budget:
    """Counts down. Executions may share one: then it bounds all of them together."""

    __slots__ = ("_room", "_steps")

    def __init__(self, steps: int = STEPS, output: int = OUTPUT) -> None:
        self._steps = steps
        self._room = output

    def spend(self, steps: int = 1) -> None:
        """Raises TemplateError when nothing is left."""
        self._steps -= steps
        if self._steps < 0:
            raise TemplateError("the template takes too many steps")

    def text(self, characters: int) -> None:
        """Looking at, or making, a text of so many characters."""
        self.spend(1 + characters // CHARACTERS_PER_STEP)

    def shown(self, value: object, text: str) -> str:
        """`text` is how `value` is written: what has parts costs more than copying. Gives it."""
        plain = value is None or isinstance(value, str | int | float)
        self.text(len(text) * (1 if plain else COMPOUND))
        return text

    def write(self, characters: int) -> None:
        """Raises TemplateError when so many are too many."""
        self._room -= characters
        if self._room < 0:
            raise TemplateError("the template writes too much")
