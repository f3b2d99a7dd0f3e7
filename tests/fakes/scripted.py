"""A child of which every byte is scripted, and a door in front of it, all on this loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from tests.fakes.wire import WireAnswer, read_answer

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.engine.address import Address
from paddock.engine.pool import ConnectionPool
from paddock.errors import PaddockError
from paddock.events import EventBus
from paddock.gateway import problems
from paddock.gateway.client import DoorServer
from paddock.gateway.door import sent_body
from paddock.gateway.endings import Endings
from paddock.gateway.forward import Ask, Forwarder, Recover
from paddock.gateway.leasing import Leasing
from paddock.gateway.naming import Target
from paddock.gateway.peers import Peers
from paddock.gateway.recording import Recorder
from paddock.gateway.relay import Relay
from paddock.gateway.routes import Call
from paddock.gateway.translated import Translator
from paddock.gateway.tunnel import is_upgrade, upgrade_headers
from paddock.observe.activity import Activity
from paddock.observe.captures import Captures
from paddock.observe.journal import Journal
from paddock.scheduler.lease import Lease
from paddock.storage.database import Database

PATIENCE = 20.0
MODEL: Any = SimpleNamespace(id="scripted")
TARGET = Target(MODEL, "scripted")
Handle = Callable[["Upstream", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Upstream:
    """A listener that answers as `handle` says."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.port = 0
        self.requests: list[bytes] = []
        """Every whole request, head and body, over all connections."""
        self.connections = 0
        self.left = asyncio.Event()
        """A connection has ended."""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Upstream]:
        tasks: set[asyncio.Task[None]] = set()

        def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(arrive, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.handle(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.left.set()
            writer.transport.abort()

    async def take(self, reader: asyncio.StreamReader) -> bytes:
        """The next request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length or 0))
        self.requests.append(head + body)
        return head + body


def says(pieces: Iterable[bytes], *, then_close: bool = False) -> Handle:
    """Answer every request with these bytes, each piece written on its own."""
    script = list(pieces)

    async def handle(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            await upstream.take(reader)
            for piece in script:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if then_close:
                writer.close()
                await writer.wait_closed()
                return

    return handle


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An answer with a Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(pieces: Sequence[bytes], *headers: str) -> bytes:
    """A chunked answer."""
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b"")]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + b"".join(chunks)


def split(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` cut at these places."""
    cuts = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(cuts)]


class Rig:
    """A door whose every request is relayed to a scripted child."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.pool = ConnectionPool(Address("127.0.0.1", upstream.port), "child-key")
        self.stall_timeout = PATIENCE
        self.endings: Endings = ()
        self.open_early = False
        self.translator: Callable[[], Translator] | None = None
        """Puts every answer into another dialect."""
        self.recover: Recover | None = None
        self.port = 0
        self.activity = Activity(Database(None), 100)
        self.journal = Journal(self.activity, Captures(lambda: 0), lambda _: 500)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Rig]:
        runner = web.ServerRunner(
            DoorServer(self._answer, handler_cancellation=True, access_log=None)
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self.pool.close()
            await runner.cleanup()
            await self.journal.aclose()
            await self.activity.aclose()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await sent_body(request, 16 << 20)
        ask = Ask(request.method, request.raw_path, body, endings=self.endings)
        call = Call(request, "r1")
        try:
            if self.open_early:
                return await self._open_early(call, ask)
            if self.translator is not None:
                ask = Ask("POST", "/x", body, translator=self.translator(), recover=self.recover)
                return await self._forwarder().translate(call, TARGET, ask)
            if is_upgrade(request):
                return await self._forwarder().tunnel(call, TARGET, self._upgrade(request))
            return await self._forwarder().forward(call, TARGET, ask)
        except PaddockError as error:
            return problems.response(error, request.path)

    def _forwarder(self) -> Forwarder:
        gone = asyncio.get_running_loop().create_future()
        gone.set_result(None)
        instance: Any = SimpleNamespace(pool=self.pool, exited=gone, model=MODEL)
        scheduler: Any = SimpleNamespace(
            lease_now=lambda model, client, asked: Lease(instance, client, lambda _: None)
        )
        bus, current = EventBus(), Current(Config.model_construct(stall_timeout=self.stall_timeout))
        recorder = Recorder(self.journal, current)
        return Forwarder(Leasing(scheduler, bus, current), Peers(current, bus), current, recorder)

    @staticmethod
    def _upgrade(request: web.BaseRequest) -> Ask:
        return Ask(request.method, request.raw_path, b"", upgrade_headers(request))

    async def _open_early(self, call: Call, ask: Ask) -> web.StreamResponse:
        """As after a long wait for the model."""
        added = ((b"X-Request-Id", b"r1"),)
        relay = Relay(call.request, added, stall_timeout=self.stall_timeout, endings=self.endings)
        relay.open_events()
        relay.tell(b": loading\n\n")
        head = self.pool.head(ask.method, ask.target)
        return await relay.run(await self.pool.connect(), head, b"")

    def answers(self, handle: Handle) -> None:
        """From now on the child does this, on new connections."""
        self.pool.close()
        self.pool = ConnectionPool(Address("127.0.0.1", self.upstream.port), "child-key")
        self.upstream.handle = handle

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection to the door."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()

    async def get(self, target: str = "/x") -> WireAnswer:
        """One answer, on a connection of its own."""
        async with self.client() as client:
            return await client.ask(target).answer()


class Client:
    """A client whose every byte is the test's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._buffer = b""

    def send(self, data: bytes) -> Client:
        self.writer.write(data)
        return self

    def ask(self, target: str = "/x", *headers: str, version: str = "1.1") -> Client:
        lines = [f"GET {target} HTTP/{version}", "Host: localhost", *headers]
        return self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def answer(self) -> WireAnswer:
        """The next answer."""
        ended = False
        async with asyncio.timeout(PATIENCE):
            while True:
                found = read_answer(self._buffer, ended=ended)
                if found is not None:
                    answer, self._buffer = found
                    return answer
                assert not ended, "closed without an answer"
                ended = not await self.more()

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        async with asyncio.timeout(PATIENCE):
            while len(self._buffer) < count:
                assert await self.more(), f"closed after {len(self._buffer)} of {count} bytes"
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    async def more(self) -> bool:
        """Read what is there; False at the end."""
        try:
            data = await self.reader.read(1 << 16)
        except ConnectionError:
            data = b""
        self._buffer += data
        return bool(data)

    async def rest(self) -> bytes:
        """Everything until the door closes."""
        async with asyncio.timeout(PATIENCE):
            while await self.more():
                pass
        return self._buffer
