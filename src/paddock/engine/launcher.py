"""Makes instances, keeps what they print, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from paddock.config.current import Current
from paddock.config.masking import masked_flags
from paddock.engine.children import Children
from paddock.engine.engines import Engines
from paddock.engine.instance import Instance
from paddock.engine.learned import Learned
from paddock.engine.logfile import LogFiles, file_name
from paddock.engine.output import Output
from paddock.engine.placed import Placed
from paddock.engine.ports import Ports
from paddock.engine.site import Site
from paddock.events import EventBus
from paddock.library.model import Model
from paddock.library.variant import base, renewed

if TYPE_CHECKING:
    from paddock.engine.dry_run import DryRuns


class Launcher:
    """The one maker of instances. Loop thread only."""

    def __init__(
        self,
        current: Current,
        bus: EventBus,
        state_dir: Path,
        hear: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """Uses `run/`, `logs/`, `cache/` and `child-config/` in `state_dir`.

        `hear` is told what is printed, whole lines with the id of their model; it must not block.
        """
        children = Children(state_dir / "run")
        self._cache = state_dir / "cache"
        self.learned = Learned(self._cache)
        """What earlier loads took."""
        engines = Engines(current, state_dir)
        self._site = Site(current, bus, engines, children, Ports(), self.learned)
        self._logs = LogFiles(state_dir / "logs")
        self._hear = hear
        self._outputs: dict[str, Output] = {}
        self._instances: set[Instance] = set()
        self._closed = False

    async def start(self) -> None:
        """End what an earlier daemon left behind, and start the guard. Raises OSError."""
        await self._site.children.start()
        self._logs.start()

    def new(self, model: Model, placed: Placed | None = None) -> Instance:
        """An instance of the model that has not started yet, and where it is to go."""
        if self._closed:
            raise RuntimeError("the launcher is closed")
        instance = Instance(model, self._site, self.output(model.id), placed)
        self._instances.add(instance)
        instance.exited.add_done_callback(lambda _: self._instances.discard(instance))
        return instance

    @property
    def engines(self) -> Engines:
        """The engines that run models."""
        return self._site.engines

    @cached_property
    def dry_runs(self) -> DryRuns:
        """Asks engines what a load would take. Made when it is first wanted."""
        from paddock.engine.dry_run import DryRuns  # noqa: PLC0415 - not needed to start

        return DryRuns(self.engines, self._cache)

    def refresh(self, models: Iterable[Model]) -> None:
        """From now on living instances of these models have their settings."""
        now = {model.id: model for model in models}
        for instance in self._instances:
            model = now.get(instance.model.id)
            if model is not None and base(model) == base(instance.model):
                instance.model = renewed(instance.model, model)
                if instance.pool is not None:
                    instance.pool.go_by(model.settings.timeouts)

    def living(self) -> tuple[Instance, ...]:
        """The instances that have not ended."""
        return tuple(self._instances)

    def find(self, instance_id: str) -> Instance | None:
        """A living instance by its id."""
        return next((one for one in self._instances if one.id == instance_id), None)

    def output(self, model_id: str) -> Output:
        """What the model's instances printed and will print, the last of them last."""
        output = self._outputs.get(model_id)
        if output is None:
            output = Output(partial(self._write, model_id, file_name(model_id)), self._mask)
            self._outputs[model_id] = output
        return output

    def _mask(self, line: str) -> str:
        return masked_flags(self._site.current.masking.text(line))

    def _write(self, model_id: str, file: str, text: str) -> None:
        self._logs.write(file, text)
        self._hear(model_id, text)

    async def aclose(self) -> None:
        """Stop every instance, all at once, and end the guard. Idempotent."""
        self._closed = True
        instances = tuple(self._instances)
        await asyncio.gather(*(instance.stop() for instance in instances))
        await self.learned.aclose()
        await self._site.children.aclose()
        await asyncio.to_thread(self._logs.close)
