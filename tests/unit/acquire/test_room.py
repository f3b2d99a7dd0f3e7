"""Whether there is room, and how that is told."""

import os

import pytest

from paddock.acquire.room import check_disk, check_quota, missing, used_below
from paddock.errors import NoRoom, OverQuota


def test_what_a_part_still_needs(tmp_path):
    part = tmp_path / ".x.part"
    assert missing(part, 1 << 20) == 1 << 20
    part.write_bytes(b"x" * (1 << 20))
    assert missing(part, 1 << 20) == 0
    assert missing(part, 3 << 20) == 2 << 20


def test_room_is_told_with_numbers(tmp_path):
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    check_disk(tmp_path / "not" / "there", 1000, 0)
    check_disk(tmp_path, 0, free * 2)
    with pytest.raises(NoRoom, match=r"TiB have to come.*free") as told:
        check_disk(tmp_path, 1 << 50, 0)
    assert told.value.needed > 1 << 50
    with pytest.raises(NoRoom, match="promised to other pulls"):
        check_disk(tmp_path, 1000, free)


def test_a_quota_counts_what_is_here_and_what_is_promised():
    check_quota(0, 10**12, 10**12, 10**12)
    check_quota(100, 50, 30, 20)
    check_quota(100, 500, 0, 0)
    with pytest.raises(OverQuota, match="their quota is 100 B"):
        check_quota(100, 50, 30, 21)


def test_bytes_are_counted_once_and_without_parts(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / ".x.gguf.part").write_bytes(b"1")
    (tmp_path / "sha256-1-partial").write_bytes(b"1")
    link = (tmp_path / "link").lstat().st_size
    assert used_below([tmp_path, tmp_path / "absent"]) == 5 + link
