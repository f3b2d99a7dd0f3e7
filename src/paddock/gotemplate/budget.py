"""What an execution may still cost."""

from __future__ import annotations

from typing import Final

from paddock.errors import TemplateError

CHARACTERS_PER_STEP: Final = 64


class Budget:
    """Counts down. A step is about a microsecond."""

    __slots__ = ("_steps",)

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def spend(self, steps: int = 1) -> None:
        """Raises TemplateError when nothing is left."""
        self._steps -= steps
        if self._steps < 0:
            raise TemplateError("the template takes too many steps")

    def text(self, characters: int) -> None:
        """Looking at, or making, a text of so many characters."""
        self.spend(1 + characters // CHARACTERS_PER_STEP)
