"""A program that hashes a file which is still being written: `hash_child.py FD SIZE KIND`.

FD is open for reading, KIND is `sha256` or `git`. On stdin come how many bytes are there by now, as
64-bit numbers; when all are there the hash goes to stdout in hexadecimal digits. It ends when stdin
does, so it does not outlive who started it. It imports nothing of Paddock's: it must start at once.

The file is mapped, which costs least. When somebody cuts a mapped file, or its disk fails, the
kernel ends the process: this one, which is why it is one of its own.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import select
import struct
import sys

STEP = 4 << 20
CUT = 3
"""The status that says that the file is shorter than was told."""
NUMBER = struct.Struct("=Q")


def main(fd: int, size: int, kind: str) -> int:
    """0: the hash was told; 1: nobody wants it any more. Raises ValueError for a file cut."""
    if kind == "git":
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    else:
        digest = hashlib.sha256()
    news = select.poll()
    news.register(0, select.POLLIN)
    at = there = 0
    while at < size:
        if at == there or news.poll(0):
            told = os.read(0, 512 * NUMBER.size)
            if not told:
                return 1
            there = min(size, NUMBER.unpack(told[-NUMBER.size :])[0])
        at = step(fd, digest, at, there)
    os.write(1, digest.hexdigest().encode())
    return 0


def step(fd: int, digest: hashlib._Hash, at: int, there: int) -> int:
    """Hash some of the bytes from `at` until before `there`; gives where it stopped."""
    begin = at - at % mmap.ALLOCATIONGRANULARITY
    until = min(there, begin + STEP)
    if until == at:
        return at
    with (
        mmap.mmap(fd, until - begin, prot=mmap.PROT_READ, offset=begin) as window,
        memoryview(window) as view,
        view[at - begin :] as piece,
    ):
        digest.update(piece)
    return until


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
    except ValueError:
        sys.exit(CUT)  # the file has fewer bytes than are to be mapped
