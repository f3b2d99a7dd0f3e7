from typing import Any

GIB = 1 << 30
DEVICE = {
    "name": "Vulkan0",
    "description": "AMD Radeon AI PRO R9700",
    "vendor": "AMD",
    "pci": "0000:03:00.0",
    "integrated": False,
    "total_bytes": 32 * GIB,
    "free_bytes": 20 * GIB,
    "ours_bytes": 8 * GIB,
    "others_bytes": 4 * GIB,
    "measured": True,
    "asleep": False,
    "busy_percent": 42,
    "temperature_c": 51.5,
    "power_watts": 77.0,
}
UNKNOWN = dict.fromkeys(("others_bytes", "busy_percent", "temperature_c", "power_watts"))
PARTS = {"weights": 6 * GIB, "kv": GIB, "compute": GIB, "output": 0}
TOLD: dict[str, Any] = {
    "cpu": {"model": "EPYC", "logical_thread_count": 16},
    "engines": [
        {
            "name": "vulkan",
            "problem": "",
            "devices": [DEVICE, {**DEVICE, **UNKNOWN, "name": "Vulkan1", "asleep": True}],
        },
        {"name": "old", "problem": "there is no program x\x1b[31m", "devices": []},
    ],
    "host": {
        "total_bytes": 252 * GIB,
        "available_bytes": 200 * GIB,
        "free_bytes": 90 * GIB,
        "limit_bytes": 100 * GIB,
        "limit_left_bytes": 90 * GIB,
        "zfs_reclaimable_bytes": 50 * GIB,
        "ours_bytes": 2 * GIB,
        "ours_files_bytes": 7 * GIB,
    },
    "instances": [
        {"model": "m", "state": "ready", "memory": {"Vulkan0": PARTS, "CPU": {**PARTS, "kv": 0}}}
    ],
}


def test_the_machine_its_devices_and_who_holds_them(daemon, run):
    daemon.json("GET /api/hardware", TOLD)
    result = run("hardware", "--host", daemon.address)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines == [
        "processor EPYC, 16 threads",
        "memory 252 GiB, 90.0 GiB free",
        "limited to 100 GiB, of which 90.0 GiB are left",
        "ZFS keeps 50.0 GiB more that it gives back when it must",
        "models hold 2.0 GiB, and 7.0 GiB of files",
        "engine old: there is no program x\N{REPLACEMENT CHARACTER}[31m",
        "",
        "ENGINE DEVICE WHAT SIZE FREE MODELS OTHERS BUSY TEMP POWER",
        "vulkan Vulkan0 AMD Radeon AI PRO R9700 32.0 GiB 20.0 GiB 8.0 GiB 4.0 GiB 42 % 52 °C 77 W",
        "vulkan Vulkan1 AMD Radeon AI PRO R9700 (asleep) 32.0 GiB 20.0 GiB 8.0 GiB",
        "",
        "MODEL STATE WHERE WEIGHTS CACHE COMPUTE TOTAL",
        "m ready Vulkan0 6.0 GiB 1.0 GiB 1.0 GiB 8.0 GiB",
        "CPU 6.0 GiB 0 B 1.0 GiB 7.0 GiB",
    ]


def test_a_machine_without_devices_says_so_on_stderr(daemon, run):
    host = {**TOLD["host"], "limit_bytes": None, "zfs_reclaimable_bytes": 0}
    host |= {"ours_bytes": 0, "ours_files_bytes": 0}
    bare = {**TOLD, "engines": [], "instances": [], "host": host}
    daemon.json("GET /api/hardware?fresh=1", bare)
    result = run("hardware", "--fresh", "--host", daemon.address)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)
    assert "no engine has a device" in result.stderr


def test_json_is_what_the_daemon_told(daemon, run):
    daemon.json("GET /api/hardware", TOLD)
    result = run("hardware", "--json", "--host", daemon.address)
    assert '"total_bytes": 34359738368' in result.stdout
