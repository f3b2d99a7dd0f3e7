"""The downloader against a host that does everything wrong that bytes can be wrong in."""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.fakes.content_server import ContentServer, Fault, Request

from paddock.acquire.download import Downloader, Limits, Wanted
from paddock.acquire.part_journal import journal_of
from paddock.acquire.web import Policy
from paddock.errors import (
    AcquireError,
    HubBroken,
    HubUnreachable,
    NeedsToken,
    NotThere,
    PullCancelled,
    RateLimited,
    WrongBytes,
)
from paddock.library.digest import Digest

SIZE = 1_000_003
PART = 64 << 10
DATA = random.Random(5).randbytes(SIZE)
LIMITS = Limits(part_bytes=PART, stall=0.4, pause=0.01)
PATIENCE = 30.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ContentServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "model").write_bytes(DATA)
    with ContentServer(folder) as server:
        yield server


class Bench:
    """A downloader, and what it is asked for."""

    def __init__(self, server: ContentServer, folder: Path) -> None:
        self.server = server
        self.part = folder / "model.gguf.part"
        self.told: list[int] = []
        self.sent: dict[str, str] = {}
        self.asked_headers = 0
        self._downloaders: list[Downloader] = []

    def downloader(self, limits: Limits = LIMITS) -> Downloader:
        made = Downloader(Policy.of((self.server.origin,)), limits)
        self._downloaders.append(made)
        return made

    def wanted(self, **changed: object) -> Wanted:
        usual = Wanted(
            "key", SIZE, Digest.of(DATA), "", self.server.url("model"), self.part, self.headers
        )
        return usual._replace(**changed)  # type: ignore[arg-type]

    async def headers(self) -> dict[str, str]:
        self.asked_headers += 1
        return self.sent

    async def fetch(self, limits: Limits = LIMITS, **changed: object) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.downloader(limits).fetch(self.wanted(**changed), self.told.append)

    def check_whole(self) -> None:
        assert self.part.read_bytes() == DATA
        assert not journal_of(self.part).exists()

    async def aclose(self) -> None:
        for downloader in self._downloaders:
            await downloader.aclose()


@pytest.fixture
async def bench(server: ContentServer, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(server, tmp_path)
    yield made
    await made.aclose()


def first(count: int, fault: Fault) -> Callable[[Request], Fault]:
    """The first requests are answered so, the others well."""
    return lambda request: fault if request.number < count else Fault()


async def test_a_file_comes_whole(bench, server):
    await bench.fetch()
    bench.check_whole()
    assert server.sent == SIZE
    assert all("range" in request.headers for request in server.requests)
    assert bench.told[-1] == SIZE
    assert bench.told == sorted(bench.told)


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1])
async def test_small_files(bench, server, size):
    (server.folder / "model").write_bytes(DATA[:size])
    await bench.fetch(size=size, digest=Digest.of(DATA[:size]))
    assert bench.part.read_bytes() == DATA[:size]


async def test_a_file_of_git_is_compared_with_its_sha1(bench):
    sha1 = hashlib.sha1(b"blob %d\0" % SIZE + DATA).hexdigest()
    await bench.fetch(digest=None, git_sha1=sha1)
    bench.check_whole()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_after=0),
        Fault(cut_after=1000),
        Fault(stall_after=0),
        Fault(stall_after=1000),
        Fault(unsized=True),
        Fault(endless=True),
        Fault(status=500),
        Fault(status=503, headers={"Retry-After": "0"}),
        Fault(status=429, headers={"Retry-After": "0.05"}),
        Fault(headers={"Content-Range": "bytes 5-9/1000003"}),
        Fault(headers={"Content-Range": ""}),
    ],
    ids=repr,
)
async def test_passing_troubles(bench, server, fault):
    server.behave = first(6, fault)
    await bench.fetch()
    bench.check_whole()


async def test_every_answer_cut_short_still_makes_a_file(bench, server):
    server.behave = lambda request: Fault(cut_after=20_000)
    await bench.fetch()
    bench.check_whole()
    assert server.sent == SIZE


async def test_ranges_ignored(bench, server):
    server.behave = lambda request: Fault(ignore_range=True)
    await bench.fetch()
    bench.check_whole()


async def test_ranges_ignored_and_cut(bench, server):
    server.behave = lambda request: Fault(
        ignore_range=True, cut_after=None if request.number > 12 else 90_000 * request.number
    )
    await bench.fetch()
    bench.check_whole()


async def test_ranges_ignored_without_an_end(bench, server):
    server.behave = lambda request: Fault(ignore_range=True, endless=True)
    await bench.fetch()
    bench.check_whole()


async def test_a_flipped_byte_is_noticed_and_the_file_fetched_again(bench, server):
    server.behave = lambda request: Fault(flip=500_000 if server.sent < SIZE else None)
    await bench.fetch()
    bench.check_whole()


async def test_wrong_bytes_twice_leave_nothing_and_are_told_with_both_digests(bench, server):
    server.behave = lambda request: Fault(flip=500_000)
    wrong = bytearray(DATA)
    wrong[500_000] ^= 1
    with pytest.raises(WrongBytes) as caught:
        await bench.fetch()
    assert Digest.of(DATA).hex in str(caught.value)
    assert Digest.of(bytes(wrong)).hex in str(caught.value)
    assert [path.name for path in bench.part.parent.iterdir()] == ["served"]
    assert server.sent == 2 * SIZE


async def test_the_second_time_there_is_one_connection(bench, server):
    running, most = [0], [0, 0]
    lock = threading.Lock()

    def behave(request: Request) -> Fault:
        with lock:
            running[0] = len(server._open)
            again = server.sent >= SIZE
            most[again] = max(most[again], 1)
        return Fault(flip=None if again else 3)

    server.behave = behave
    await bench.fetch()
    bench.check_whole()
    again = [request.start for request in server.requests[len(server.requests) // 2 :]]
    assert again == sorted(again)


@pytest.mark.parametrize("fault", [Fault(other=DATA[:-1]), Fault(other=DATA + b"x")], ids=str)
async def test_another_size_is_another_file(bench, server, fault):
    server.behave = lambda request: fault
    with pytest.raises(WrongBytes):
        await bench.fetch()


async def test_past_the_end_with_a_false_length_nobody_waits_for(bench, server):
    (server.folder / "model").write_bytes(DATA[:PART])
    with pytest.raises(WrongBytes):
        await bench.fetch(limits=LIMITS._replace(stall=PATIENCE))


async def test_packed_data_is_refused(bench, server):
    server.behave = lambda request: Fault(headers={"Content-Encoding": "gzip"})
    with pytest.raises(HubBroken):
        await bench.fetch()


async def test_a_file_that_is_replaced_meanwhile_is_begun_anew(bench, server):
    old = random.Random(6).randbytes(SIZE)
    server.behave = lambda request: (
        Fault(etag='"old"', other=old) if request.number < 5 else Fault(etag='"new"')
    )
    await bench.fetch()
    bench.check_whole()


async def test_a_file_that_is_replaced_all_the_time(bench, server):
    server.behave = lambda request: Fault(etag=f'"{request.number}"')
    with pytest.raises(WrongBytes):
        await bench.fetch()


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, NeedsToken), (403, NeedsToken), (404, NotThere), (410, NotThere), (418, HubBroken)],
)
async def test_refusals(bench, server, status, error):
    server.behave = lambda request: Fault(status=status)
    with pytest.raises(error):
        await bench.fetch()
    assert not bench.part.exists()
    assert not journal_of(bench.part).exists()


async def test_an_old_token_is_asked_for_anew(bench, server):
    def behave(request: Request) -> Fault:
        if request.number == 3:
            bench.sent = {"Authorization": "Bearer new"}
        right = bench.sent.get("Authorization", "")
        return Fault() if request.headers.get("authorization", "") == right else Fault(status=401)

    server.behave = behave
    bench.sent = {"Authorization": "Bearer old"}
    await bench.fetch(limits=LIMITS._replace(connections=1))
    bench.check_whole()
    assert bench.asked_headers == 2


async def test_a_host_that_is_down_for_good(bench, server):
    server.behave = lambda request: Fault(status=503)
    with pytest.raises(HubUnreachable, match="503"):
        await bench.fetch()


@pytest.mark.parametrize("headers", [{"Retry-After": "100000"}, {}], ids=str)
async def test_a_host_that_wants_fewer_requests(bench, server, headers):
    server.behave = lambda request: Fault(status=429, headers=headers)
    with pytest.raises(RateLimited):
        await bench.fetch()


async def test_redirects_are_followed_once_and_renewed_when_they_have_aged(bench, server, tmp_path):
    with ContentServer(server.folder) as content:
        server.behave = lambda request: Fault(
            redirect=content.url(f"model?signature={request.number}")
        )

        def aged(request: Request) -> Fault:
            old = request.path.endswith("=0") and request.number > 5
            return Fault(status=403) if old else Fault()

        content.behave = aged
        bench.sent = {"Authorization": "Bearer secret"}
        await bench.fetch()
        bench.check_whole()
        assert 2 <= len(server.requests) <= 5
        assert all("authorization" in request.headers for request in server.requests)
        assert not any("authorization" in request.headers for request in content.requests)


async def test_it_goes_on_where_it_was(bench, server):
    server.behave = lambda request: Fault(rate=200_000)
    fetching = asyncio.ensure_future(bench.fetch())
    while not bench.told or bench.told[-1] < 200_000:
        await asyncio.sleep(0.01)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert journal_of(bench.part).exists()
    present, before = bench.told[-1], server.sent
    server.behave = lambda request: Fault()
    await bench.fetch()
    bench.check_whole()
    assert server.sent - before <= SIZE - present + LIMITS.connections * PART


async def test_a_wrong_byte_of_an_earlier_time_is_found(bench, server):
    server.behave = lambda request: Fault(status=404 if request.number > 8 else 0)
    with pytest.raises(NotThere):
        await bench.fetch()
    with bench.part.open("r+b") as part:
        part.write(b"not what came")
    server.behave = lambda request: Fault()
    await bench.fetch()
    bench.check_whole()


async def test_a_part_that_is_whole_but_has_no_journal_is_only_read(bench, server):
    bench.part.write_bytes(DATA)
    await bench.fetch()
    bench.check_whole()
    assert server.requests == []


async def test_the_part_of_another_file_is_not_gone_on_with(bench, server):
    server.behave = lambda request: Fault(status=404 if request.number > 8 else 0)
    with pytest.raises(NotThere):
        await bench.fetch()
    other = DATA[::-1]
    (server.folder / "model").write_bytes(other)
    server.behave = lambda request: Fault()
    await bench.fetch(digest=Digest.of(other))
    assert bench.part.read_bytes() == other


@pytest.mark.parametrize("etag", ['"same"', ""])
async def test_without_a_hash_only_the_etag_lets_it_go_on(bench, server, etag):
    server.behave = lambda request: Fault(status=404 if request.number > 8 else 0, etag=etag)
    with pytest.raises(NotThere):
        await bench.fetch(digest=None)
    before = server.sent
    server.behave = lambda request: Fault(etag=etag)
    await bench.fetch(digest=None)
    bench.check_whole()
    assert (server.sent - before < SIZE) == bool(etag)


async def test_ten_who_want_the_same_share_one_transfer(bench, server):
    server.behave = lambda request: Fault(rate=500_000)
    downloader = bench.downloader()
    told: list[list[int]] = [[] for _ in range(10)]
    async with asyncio.timeout(PATIENCE):
        fetches = [
            asyncio.ensure_future(downloader.fetch(bench.wanted(), one.append)) for one in told
        ]
        while not all(told):
            await asyncio.sleep(0.01)
        fetches[0].cancel()
        await asyncio.gather(*fetches, return_exceptions=True)
    assert fetches[0].cancelled()
    assert all(fetch.exception() is None for fetch in fetches[1:])
    bench.check_whole()
    assert server.sent == SIZE
    assert all(one[-1] == SIZE for one in told[1:])


async def test_who_comes_while_the_last_one_leaves_gets_it_too(bench, server):
    server.behave = lambda request: Fault(rate=400_000)
    downloader = bench.downloader()
    leaving = asyncio.ensure_future(downloader.fetch(bench.wanted(), bench.told.append))
    while not bench.told:
        await asyncio.sleep(0.01)
    leaving.cancel()
    async with asyncio.timeout(PATIENCE):
        await downloader.fetch(bench.wanted(), bench.told.append)
    assert leaving.cancelled()
    bench.check_whole()


async def test_two_programs_do_not_write_the_same_part(bench, server):
    server.behave = lambda request: Fault(rate=500_000)
    fetching = asyncio.ensure_future(bench.fetch())
    while not bench.told:
        await asyncio.sleep(0.01)
    with pytest.raises(AcquireError, match="another program"):
        await bench.fetch()
    await fetching
    bench.check_whole()


async def test_so_many_files_at_a_time_and_no_more(bench, server, tmp_path):
    open_files, most = set(), [0]

    def behave(request: Request) -> Fault:
        open_files.add(request.path)
        most[0] = max(most[0], len(open_files))
        if request.end == SIZE:
            open_files.discard(request.path)
        return Fault()

    server.behave = behave
    for number in range(4):
        (server.folder / f"f{number}").write_bytes(DATA)
    downloader = bench.downloader(LIMITS._replace(files=1, connections=1))
    await asyncio.gather(
        *(
            downloader.fetch(
                bench.wanted(key=str(n), url=server.url(f"f{n}"), part=tmp_path / f"p{n}"), print
            )
            for n in range(4)
        )
    )
    assert most[0] == 1
    assert all((tmp_path / f"p{n}").read_bytes() == DATA for n in range(4))


async def test_a_limit_of_the_rate_is_kept(bench):
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await bench.fetch(limits=LIMITS._replace(bytes_per_second=2 * SIZE))
    assert loop.time() - begun >= 0.3
    bench.check_whole()


async def test_the_end_of_the_downloader_ends_its_transfers_and_keeps_what_came(bench, server):
    server.behave = lambda request: Fault(rate=200_000)
    downloader = bench.downloader()
    fetching = asyncio.ensure_future(downloader.fetch(bench.wanted(), bench.told.append))
    while not bench.told:
        await asyncio.sleep(0.01)
    await downloader.aclose()
    await downloader.aclose()
    with pytest.raises(PullCancelled):
        await fetching
    with pytest.raises(PullCancelled):
        await downloader.fetch(bench.wanted(), bench.told.append)
    server.behave = lambda request: Fault()
    await bench.fetch()
    bench.check_whole()


async def test_a_part_that_is_removed_meanwhile_is_missed(bench, server):
    server.behave = lambda request: Fault(rate=400_000)
    fetching = asyncio.ensure_future(bench.fetch())
    while not bench.told:
        await asyncio.sleep(0.01)
    bench.part.unlink()
    with pytest.raises(AcquireError, match="removed"):
        await fetching


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_is_not_written_to(bench, tmp_path, kind):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    if kind == "link":
        bench.part.symlink_to(victim)
    else:
        bench.part.mkdir()

    async def go() -> None:
        with pytest.raises(AcquireError):
            await bench.fetch()
        await bench.aclose()

    asyncio.run(go())
    assert victim.read_text() == "precious"
