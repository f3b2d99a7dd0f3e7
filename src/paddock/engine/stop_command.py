"""`cmdStop`: the owner's command that ends a child where SIGTERM does not, as with containers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from paddock.engine.children import Children
from paddock.engine.command import PID, PORT, words
from paddock.engine.output import Ear, Output
from paddock.engine.process import Process
from paddock.errors import ArgumentRefused
from paddock.library.model import Model

log = logging.getLogger(__name__)


class StopCommand:
    """The model's `cmdStop`, for one child of it."""

    def __init__(self, model: Model, env: Mapping[str, str], port: int) -> None:
        """`env` and `port` are the child's."""
        self._model = model
        self._env = env
        self._port = str(port)

    async def run(
        self, process: Process, children: Children, output: Output, seconds: float
    ) -> None:
        """Run it and return once `process` has ended, or that cannot be hoped for any more.

        Both together have `seconds`; then the command is killed. What it prints, and how it failed,
        goes to `output`. Never raises: what still lives afterwards is the caller's to end.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            command = await self._start(process, children, output)
        except (ArgumentRefused, OSError) as error:
            self._tell(output, f"cannot start: {error}")
            return
        try:
            await asyncio.wait({command.ended}, timeout=seconds)
            if not command.ended.done():
                self._tell(output, f"has not ended after {seconds:g} s and is killed")
            elif code := command.ended.result():
                self._tell(output, f"failed with code {code}")
            else:
                left = deadline - asyncio.get_running_loop().time()
                await asyncio.wait({process.ended}, timeout=max(0.0, left))
        finally:
            if not command.ended.done():
                await command.end(grace=0)

    async def _start(self, process: Process, children: Children, output: Output) -> Process:
        values = {PID: str(process.pid), PORT: self._port}
        argv = words(self._model.settings.cmd_stop, values, place=f"cmdStop of {self._model.id}")
        ear = Ear(output, lambda _: False)
        command = await children.spawn(argv, self._env, stdout=ear.stdout, stderr=ear.stderr)
        command.ended.add_done_callback(lambda _: ear.end())
        process.expect_end()
        return command

    def _tell(self, output: Output, problem: str) -> None:
        log.warning("cmdStop of %s %s", self._model.id, problem)
        output.add([f"--- cmdStop {problem} ---"])
