"""NVIDIA cards that are not there: what their driver's program tells, and what an engine lists.

The program is found on PATH as the real one is. Programs take memory of a card by `fill`, the
daemon's own children too: nothing else makes it less.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "NVIDIA GeForce RTX 3090"


class Cards:
    """So many cards of `total` MiB each."""

    def __init__(self, folder: Path, count: int = 2, total: int = 24576) -> None:
        self._total, self._used = total, [0] * count
        self._rows = folder / "cards.csv"
        self._bin = folder / "driver"
        self._bin.mkdir()
        program = self._bin / "nvidia-smi"
        program.write_text(
            f'#!/bin/sh\ncase "$1" in --query-gpu=*) exec cat "{self._rows}";; esac\n'
        )
        program.chmod(0o755)
        self._tell()

    def fill(self, card: int, used: int) -> None:
        """From now on programs hold `used` MiB of this card."""
        self._used[card] = used
        self._tell()

    def _tell(self) -> None:
        new = self._rows.with_suffix(".new")
        new.write_text("".join(map(self._row, range(len(self._used)))))
        new.rename(self._rows)

    def _row(self, card: int) -> str:
        """The fields that `hardware/nvidia_smi.py` asks for."""
        sensors, fan = "40, [N/A], 0, 0", "30, 25.5, 550.54"
        sizes = f"{self._used[card]}, {self._total}"
        return f"{card}, {NAME}, GPU-{card}, {sensors}, {sizes}, {fan}, 00000000:0{card + 1}:00.0\n"

    @property
    def env(self) -> dict[str, str]:
        """Of a daemon that finds the driver's program."""
        return {"PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}"}

    @property
    def listed(self) -> str:
        """What the fake engine's switch `devices` takes."""
        size = f"({self._total} MiB, {self._total} MiB free)"
        return ";".join(f"CUDA{card}: {NAME} {size}" for card in range(len(self._used)))
