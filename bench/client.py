"""A load generator in its own process. Prints JSON. Run as a program:

client.py closed PORT PATH CONNECTIONS SECONDS BODY     requests/s, closed loop
client.py streams PORT PATH STREAMS BODY                events and bytes of as many streams
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
)


def request(port: int, path: str, body: str) -> bytes:
    data = body.encode()
    return HEAD.format(port=port, path=path, length=len(data)).encode() + data


class Closed(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is whole."""

    def __init__(self, data: bytes, counter: list[int]) -> None:
        self.data = data
        self.counter = counter
        self.need = 0
        self.got = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(self.data)

    def data_received(self, data: bytes) -> None:
        if not self.need:
            if not data.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"unexpected answer: {data[:300]!r}")
            head, _, _ = data.partition(b"\r\n\r\n")
            at = head.lower().find(b"content-length:")
            self.need = len(head) + 4 + int(head[at + 15 :].split(b"\r\n")[0])
        self.got += len(data)
        if self.got >= self.need:
            self.need = self.got = 0
            self.counter[0] += 1
            self.transport.write(self.data)


async def closed(port: int, path: str, connections: int, seconds: float, body: str) -> object:
    loop = asyncio.get_running_loop()
    counter = [0]
    data = request(port, path, body)
    transports = []
    for _ in range(connections):
        transport, _ = await loop.create_connection(
            lambda: Closed(data, counter), "127.0.0.1", port
        )
        transports.append(transport)
    await asyncio.sleep(0.3)
    first, start = counter[0], time.perf_counter()
    await asyncio.sleep(seconds)
    rate = (counter[0] - first) / (time.perf_counter() - start)
    for transport in transports:
        transport.abort()
    return {"rate": rate}


async def one_stream(port: int, data: bytes) -> tuple[int, int, bool]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    events = size = 0
    tail = b""
    while piece := await reader.read(1 << 16):
        events += piece.count(b'"delta"')
        size += len(piece)
        tail = (tail + piece)[-64:]
        if tail.endswith(b"0\r\n\r\n"):
            break
    writer.close()
    return events, size, b"[DONE]" in tail


async def streams(port: int, path: str, count: int, body: str) -> object:
    data = request(port, path, body)
    start = time.perf_counter()
    done = await asyncio.gather(*(one_stream(port, data) for _ in range(count)))
    return {
        "events": sum(events for events, _, _ in done),
        "whole": sum(whole for _, _, whole in done),
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    kind, port, path, count, *rest = sys.argv[1:]
    work = (
        closed(int(port), path, int(count), float(rest[0]), rest[1])
        if kind == "closed"
        else streams(int(port), path, int(count), rest[0])
    )
    print(json.dumps(uvloop.run(work)))


if __name__ == "__main__":
    main()
