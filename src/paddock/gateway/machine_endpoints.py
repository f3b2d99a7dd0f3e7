"""The machine and the daemon's numbers: `/api/performance`, `/api/hardware`, `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from paddock import __version__
from paddock.config.current import Current
from paddock.engine.launcher import Launcher
from paddock.errors import NotObserved
from paddock.gateway.inflight import rfc3339
from paddock.gateway.routes import Call, Route
from paddock.observe.journal import Journal
from paddock.observe.performance import Performance, Sample

if TYPE_CHECKING:
    from paddock.hardware.gpus import Gpu
    from paddock.hardware.snapshot import Machine

MIB = 1 << 20


class MachineEndpoints:
    """Shows how the machine is."""

    def __init__(
        self, performance: Performance, journal: Journal, current: Current, launcher: Launcher
    ) -> None:
        self._performance = performance
        self._journal = journal
        self._current = current
        self._launcher = launcher

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/api/performance", self.performance),
            Route("GET", "/api/hardware", self.hardware),
            Route("GET", "/api/version", self.version, asks=True),
            Route("GET", "/metrics", self.metrics),
        )

    async def performance(self, call: Call) -> web.Response:
        """The looks of the last hour, or those after a time."""
        if not self._performance.enabled:
            return web.json_response({"enabled": False}, status=503)
        from paddock.gateway.activity_query import moment  # noqa: PLC0415 - as it is rare

        samples = self._performance.since(moment(dict(call.request.query), "after"))
        return web.json_response(
            {
                "enabled": True,
                "sys_stats": [_host(one) for one in samples],
                "gpu_stats": [_gpu(one, gpu) for one in samples for gpu in one.gpus],
            }
        )

    async def hardware(self, call: Call) -> web.Response:
        """What the machine is made of, what of it models can use, and what they hold.

        With `?fresh=1` engines are asked for their devices again.
        """
        machine = self._performance.machine
        if machine is None:
            raise NotObserved("what the machine is made of is not known", hint="ask again soon")
        from paddock.gateway.hardware_view import engines_of, usable  # noqa: PLC0415 - not to start

        fresh = call.request.query.get("fresh", "") in {"1", "true"}
        told = _machine(machine, rfc3339(self._performance.machine_at))
        wanted = engines_of(self._launcher, self._current.config)
        return web.json_response(told | await usable(self._launcher, wanted, fresh=fresh))

    async def version(self, call: Call) -> web.Response:  # noqa: ARG002
        """What runs here."""
        told = {"version": __version__, "commit": "unknown", "build_date": "unknown"}
        return web.json_response(told)

    async def metrics(self, call: Call) -> web.Response:  # noqa: ARG002
        """Prometheus' text."""
        if not self._performance.enabled:
            raise NotObserved("the machine is not looked at", hint="`performance.disabled` is on")
        from paddock.observe import prometheus  # noqa: PLC0415 - not needed to start

        await self._journal.settle()
        sample = self._performance.newest
        running = len(self._journal.running())
        lines = [
            *(prometheus.host_lines(sample) if sample is not None else ()),
            *prometheus.model_lines(sorted(self._journal.counters.models.items()), running),
        ]
        text = "\n".join((*lines, "")).encode()
        return web.Response(body=text, headers={"Content-Type": prometheus.CONTENT_TYPE})


def _host(sample: Sample) -> dict[str, Any]:
    host = sample.host
    one, five, fifteen = host.load
    return {
        "timestamp": rfc3339(sample.at),
        "cpu_util_per_core": host.processors,
        "mem_total_mb": host.memory_total // MIB,
        "mem_used_mb": (host.memory_total - host.memory_available) // MIB,
        "mem_free_mb": host.memory_free // MIB,
        "swap_total_mb": host.swap_total // MIB,
        "swap_used_mb": host.swap_used // MIB,
        "load_avg_1": one,
        "load_avg_5": five,
        "load_avg_15": fifteen,
        "net_io": [
            {"name": net.name, "bytes_recv": net.received, "bytes_sent": net.sent}
            for net in host.network
        ],
    }


def _gpu(sample: Sample, gpu: Gpu) -> dict[str, Any]:
    return {
        "timestamp": rfc3339(sample.at),
        "id": gpu.index,
        "name": gpu.name,
        "uuid": gpu.uuid,
        "temp_c": gpu.temperature,
        "vram_temp_c": gpu.memory_temperature,
        "gpu_util_pct": gpu.busy,
        "mem_util_pct": gpu.memory_busy,
        "mem_used_mb": None if gpu.memory_used is None else gpu.memory_used // MIB,
        "mem_total_mb": None if gpu.memory_total is None else gpu.memory_total // MIB,
        "fan_speed_pct": gpu.fan,
        "power_draw_w": gpu.power,
    }


def _machine(machine: Machine, at: str) -> dict[str, Any]:
    """In the shape of llama-swap's snapshot."""
    kind = "container" if machine.container else "bare_metal_or_vm"
    return {
        "schema_version": 1,
        "captured_at": at,
        "capture": {
            "scope": "inference_host",
            "method": "detected",
            "detector": {"name": "paddock", "version": __version__},
        },
        "architecture": {"name": machine.architecture, "raw_name": machine.architecture},
        "operating_system": {
            "family": machine.system,
            "name": machine.distribution or None,
            "version": machine.version or None,
            "kernel": machine.kernel or None,
        },
        "environment": {"kind": kind, "name": machine.container or None, "version": None},
        "cpu": {
            "vendor": machine.processor_vendor or None,
            "model": machine.processor or None,
            "socket_count": machine.sockets or None,
            "physical_core_count": machine.cores or None,
            "logical_thread_count": machine.threads or None,
        },
        "memory": {"capacity_bytes": machine.memory},
        "accelerators": [_accelerator(gpu) for gpu in machine.gpus],
    }


def _accelerator(gpu: Gpu) -> dict[str, Any]:
    return {
        "index": gpu.index,
        "kind": "gpu",
        "vendor": gpu.vendor or None,
        "model": gpu.name or None,
        "architecture": None,
        "memory": {"kind": "dedicated", "capacity_bytes": gpu.memory_total},
        "driver": {"name": gpu.driver or None, "version": None},
        "power_limit_watts": None,
    }
