import pytest
from tests.unit.hardware.trees import GIB, add_memory, put

from paddock.hardware.ram import RamReader


@pytest.fixture
def ram(tmp_path):
    add_memory(tmp_path, 100 * GIB)
    return lambda: RamReader(tmp_path).read()


def group(root, place, *, limit, used, cached=0):
    put(
        root,
        {
            f"sys/fs/cgroup/{place}/memory.max": limit,
            f"sys/fs/cgroup/{place}/memory.current": used,
            f"sys/fs/cgroup/{place}/memory.stat": f"anon 1\ninactive_file {cached}",
        },
    )


def test_without_limits_all_that_is_available_is_free(tmp_path, ram):
    put(tmp_path, {"proc/self/cgroup": "0::/system.slice/paddock.service"})
    group(tmp_path, "system.slice/paddock.service", limit="max", used=GIB)
    seen = ram()
    assert (seen.total, seen.available, seen.limit, seen.free) == (
        252 * GIB,
        100 * GIB,
        0,
        100 * GIB,
    )


def test_the_tightest_group_around_us_counts(tmp_path, ram):
    put(tmp_path, {"proc/self/cgroup": "0::/system.slice/paddock.service"})
    group(tmp_path, "system.slice/paddock.service", limit=64 * GIB, used=40 * GIB, cached=6 * GIB)
    group(tmp_path, "system.slice", limit=90 * GIB, used=80 * GIB)
    seen = ram()
    assert (seen.limit, seen.limit_left, seen.free) == (90 * GIB, 10 * GIB, 10 * GIB)


def test_files_in_the_cache_make_room(tmp_path, ram):
    put(tmp_path, {"proc/self/cgroup": "0::/a"})
    group(tmp_path, "a", limit=8 * GIB, used=7 * GIB, cached=5 * GIB)
    assert ram().free == 6 * GIB


def test_in_a_container_the_group_at_the_top_is_ours(tmp_path, ram):
    put(tmp_path, {"proc/self/cgroup": "0::/../../system.slice/x"})
    group(tmp_path, ".", limit=4 * GIB, used=GIB)
    assert ram().free == 3 * GIB


def test_the_first_version_of_control_groups(tmp_path, ram):
    put(tmp_path, {"proc/self/cgroup": "5:cpu,cpuacct:/a\n4:memory:/box/1\n0::/"})
    place = "sys/fs/cgroup/memory"
    put(
        tmp_path,
        {
            f"{place}/box/1/memory.limit_in_bytes": 10 * GIB,
            f"{place}/box/1/memory.usage_in_bytes": 4 * GIB,
            f"{place}/box/1/memory.stat": f"total_inactive_file {GIB}",
            f"{place}/memory.limit_in_bytes": 9223372036854771712,
            f"{place}/memory.usage_in_bytes": 50 * GIB,
        },
    )
    seen = ram()
    assert (seen.limit, seen.free) == (10 * GIB, 7 * GIB)


def test_what_zfs_keeps_is_told_apart(tmp_path, ram):
    stats = f"13 1 0x01\nname type data\nsize 4 {60 * GIB}\nc_min 4 {8 * GIB}\nc_max 4 {99 * GIB}"
    put(tmp_path, {"proc/spl/kstat/zfs/arcstats": stats})
    seen = ram()
    assert (seen.arc, seen.free) == (52 * GIB, 100 * GIB)


@pytest.mark.parametrize("told", ["", "0", "0:", "::", "0::", "4:memory", "\0", "0::" + "a/" * 99])
def test_groups_that_make_no_sense_are_no_limit(tmp_path, ram, told):
    put(tmp_path, {"proc/self/cgroup": told})
    assert ram().free == 100 * GIB


def test_this_machine_tells_something():
    seen = RamReader().read()
    assert 0 < seen.free <= seen.total
