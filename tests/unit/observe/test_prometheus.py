from datetime import UTC, datetime

import pytest

from paddock.events import InstanceChanged, InstanceState
from paddock.hardware.gpus import Gpu
from paddock.hardware.host import Host, Network
from paddock.observe.counters import MOST_MODELS, OTHERS, Counters, Waits
from paddock.observe.performance import Sample
from paddock.observe.prometheus import host_lines, model_lines
from paddock.storage.activity import Row

HOST = Host((12.5, 100.0), 1000, 600, 200, 50, 30, (0.5, 1.0, 1.5), (Network("eth0", 7, 9),))
GPU = Gpu(0, 'A "6000"', "GPU-1", temperature=40.0, memory_used=1 << 30)


def host(gpus=()):
    return list(host_lines(Sample(datetime.now(UTC), HOST, gpus)))


@pytest.mark.parametrize(
    "line",
    [
        'llamaswap_cpu_util_percent{core="1"} 100',
        "llamaswap_memory_total_bytes 1000",
        "llamaswap_memory_used_bytes 400",
        "llamaswap_swap_used_bytes 30",
        'llamaswap_load_average{interval="5m"} 1',
        'llamaswap_network_bytes_total{interface="eth0",direction="recv"} 7',
        'llamaswap_gpu_temperature_celsius{id="0",name="A \\"6000\\"",uuid="GPU-1"} 40',
        'llamaswap_gpu_memory_used_bytes{id="0",name="A \\"6000\\"",uuid="GPU-1"} 1073741824',
        "# TYPE llamaswap_network_bytes_total counter",
    ],
)
def test_the_machine_is_told(line):
    assert line in host((GPU,))


def test_what_is_not_known_is_not_told():
    assert not [line for line in host((GPU,)) if "power" in line]
    assert not [line for line in host() if "gpu" in line]


def row(model="m", **fields):
    return Row(time=0, model=model, requested=model, path="/", status=200, **fields)


def lines_of(counters, inflight=0):
    return list(model_lines(sorted(counters.models.items()), inflight))


@pytest.mark.parametrize(
    "line",
    [
        "paddock_requests_running 3",
        'paddock_requests_total{model="m",status="200"} 2',
        'paddock_requests_cancelled_total{model="m",reason="client_left"} 1',
        'paddock_tokens_total{model="m",kind="input"} 10',
        'paddock_tokens_total{model="m",kind="cached"} 0',
        'paddock_model_starts_total{model="m"} 1',
        'paddock_model_failures_total{model="m"} 1',
        'paddock_time_to_first_token_seconds_bucket{model="m",le="0.1"} 0',
        'paddock_time_to_first_token_seconds_bucket{model="m",le="0.25"} 1',
        'paddock_time_to_first_token_seconds_bucket{model="m",le="+Inf"} 1',
        'paddock_time_to_first_token_seconds_count{model="m"} 1',
        'paddock_queue_wait_seconds_sum{model="m"} 0.5',
        'paddock_load_wait_seconds_count{model="m"} 2',
    ],
)
def test_what_happened_to_models_is_told(line):
    counters = Counters()
    counters.count(row(input_tokens=10, first_token=200.0, queued=500.0))
    counters.count(row(cancelled="client_left"))
    for state in InstanceState:
        counters.heard(InstanceChanged("m", "m-1", state))
    assert line in lines_of(counters, 3)


def test_a_models_name_cannot_break_the_text():
    counters = Counters()
    counters.count(row('a"b\\c\nd'))
    assert 'paddock_requests_total{model="a\\"b\\\\c\\nd",status="200"} 1' in lines_of(counters)


def test_names_without_end_are_counted_together():
    counters = Counters()
    for number in range(MOST_MODELS + 50):
        counters.count(row(f"m{number}"))
    assert len(counters.models) == MOST_MODELS + 1
    assert counters.models[OTHERS].requests[200] == 50


@pytest.mark.parametrize(
    ("seconds", "bar"), [(0.0, 0), (0.05, 0), (0.06, 1), (119.0, 10), (120.1, 11), (9e9, 11)]
)
def test_a_wait_is_counted_in_its_bar(seconds, bar):
    waits = Waits()
    waits.add(seconds)
    assert waits.bars.index(1) == bar
    assert (waits.sum, waits.count) == (seconds, 1)
