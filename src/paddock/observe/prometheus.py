"""The text that Prometheus reads: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from paddock.hardware.gpus import Gpu
from paddock.hardware.host import Host
from paddock.observe.counters import SECONDS, ModelCounts, Waits
from paddock.observe.performance import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Point = tuple[Labels, float | None]


def host_lines(sample: Sample) -> Iterator[str]:
    """The machine, in llama-swap's names."""
    host = sample.host
    yield from _host(host)
    yield from _network(host)
    yield from _gpus(sample.gpus)


def _host(host: Host) -> Iterator[str]:
    cores = [({"core": str(n)}, busy) for n, busy in enumerate(host.processors)]
    yield from _family("llamaswap_cpu_util_percent", "gauge", "How busy each core is.", cores)
    memory = {
        "memory_total_bytes": host.memory_total,
        "memory_used_bytes": host.memory_total - host.memory_available,
        "memory_free_bytes": host.memory_free,
        "swap_total_bytes": host.swap_total,
        "swap_used_bytes": host.swap_used,
    }
    for name, count in memory.items():
        yield from _family(f"llamaswap_{name}", "gauge", "Memory of the machine.", [({}, count)])
    loads = zip(("1m", "5m", "15m"), host.load, strict=True)
    points: list[Point] = [({"interval": interval}, load) for interval, load in loads]
    yield from _family("llamaswap_load_average", "gauge", "Load of the machine.", points)


def _network(host: Host) -> Iterator[str]:
    points: list[Point] = []
    for one in host.network:
        points.append(({"interface": one.name, "direction": "recv"}, one.received))
        points.append(({"interface": one.name, "direction": "sent"}, one.sent))
    yield from _family("llamaswap_network_bytes_total", "counter", "Traffic.", points)


def _gpus(gpus: tuple[Gpu, ...]) -> Iterator[str]:
    values = {
        "temperature_celsius": "temperature",
        "vram_temperature_celsius": "memory_temperature",
        "util_percent": "busy",
        "memory_util_percent": "memory_busy",
        "memory_used_bytes": "memory_used",
        "memory_total_bytes": "memory_total",
        "fan_speed_percent": "fan",
        "power_draw_watts": "power",
    }
    for name, field in values.items():
        points = [
            ({"id": str(gpu.index), "name": gpu.name, "uuid": gpu.uuid}, getattr(gpu, field))
            for gpu in gpus
        ]
        yield from _family(f"llamaswap_gpu_{name}", "gauge", "Of each GPU.", points)


def model_lines(models: Iterable[tuple[str, ModelCounts]], inflight: int) -> Iterator[str]:
    """What happened to each model."""
    known = list(models)
    yield from _family("paddock_requests_running", "gauge", "In flight.", [({}, inflight)])
    yield from _requests(known)
    yield from _tokens(known)
    for name, told in _EVENTS.items():
        points: list[Point] = [({"model": model}, getattr(one, name)) for model, one in known]
        yield from _family(f"paddock_model_{name}_total", "counter", told, points)
    for name, (field, told) in _WAITS.items():
        waits = [(model, getattr(one, field)) for model, one in known]
        yield from _histogram(f"paddock_{name}_seconds", told, waits)


def _requests(known: list[tuple[str, ModelCounts]]) -> Iterator[str]:
    by_status: list[Point] = [
        ({"model": model, "status": str(status)}, count)
        for model, one in known
        for status, count in sorted(one.requests.items())
    ]
    yield from _family("paddock_requests_total", "counter", "Requests that ended.", by_status)
    by_reason: list[Point] = [
        ({"model": model, "reason": reason}, count)
        for model, one in known
        for reason, count in sorted(one.cancelled.items())
    ]
    yield from _family("paddock_requests_cancelled_total", "counter", "Ended early.", by_reason)


def _tokens(known: list[tuple[str, ModelCounts]]) -> Iterator[str]:
    points: list[Point] = []
    for model, one in known:
        counts = (("input", one.input_tokens), ("output", one.output_tokens))
        for kind, count in (*counts, ("cached", one.cached_tokens)):
            points.append(({"model": model, "kind": kind}, count))
    yield from _family("paddock_tokens_total", "counter", "Tokens in and out.", points)


_EVENTS = {
    "starts": "How often the model got ready.",
    "stops": "How often it left memory.",
    "failures": "How often it could not start, or died.",
}
_WAITS = {
    "time_to_first_token": ("first_token", "From a request to its first token."),
    "queue_wait": ("queued", "How long requests waited for room or a slot."),
    "load_wait": ("loading", "How long requests waited for their model to load."),
    "request_duration": ("duration", "From a request to the end of its answer."),
}


def _family(name: str, kind: str, told: str, points: Iterable[Point]) -> Iterator[str]:
    """A metric, unless it has no values."""
    lines = [
        f"{name}{_labels(labels)} {value:.15g}" for labels, value in points if value is not None
    ]
    if lines:
        yield f"# HELP {name} {told}"
        yield f"# TYPE {name} {kind}"
        yield from lines


def _histogram(name: str, told: str, waits: Iterable[tuple[str, Waits]]) -> Iterator[str]:
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} histogram"
    for model, wait in waits:
        bounds = (*(f"{bound:g}" for bound in SECONDS), "+Inf")
        for bound, count in zip(bounds, accumulate(wait.bars), strict=True):
            yield f"{name}_bucket{_labels({'model': model, 'le': bound})} {count}"
        yield f"{name}_sum{_labels({'model': model})} {wait.sum:.15g}"
        yield f"{name}_count{_labels({'model': model})} {wait.count}"


def _labels(labels: Labels) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
