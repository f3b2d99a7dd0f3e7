import os

from tests.unit.hardware.trees import put

from paddock.hardware.resident import Resident, resident


def test_what_is_a_processs_own_and_what_is_of_files(tmp_path):
    told = "Name: x\nVmRSS: 9 kB\nRssAnon:\t  100 kB\nRssFile:\t 40 kB\nRssShmem:\t 2 kB"
    put(tmp_path, {"proc/1/status": told, "proc/2/status": told, "proc/3/status": "Name: kthread"})
    assert resident([1, 2, 3, 4], tmp_path) == Resident(204 * 1024, 80 * 1024)


def test_this_process_holds_something():
    assert resident([os.getpid()]).own > 1 << 20
