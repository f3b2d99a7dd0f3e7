"""One door with one handler over the mock engine: our relay, or the same with aiohttp's client.

Run as a program: `relays.py ours|aiohttp UPSTREAM_PORT`. Prints its port, and on SIGUSR1 its CPU
seconds so far.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys

import aiohttp
import uvloop
from aiohttp import web

from paddock.access.hosts import HostRules
from paddock.access.keys import KeyRing
from paddock.engine.address import Address
from paddock.engine.pool import ConnectionPool
from paddock.gateway.door import Door, sent_body
from paddock.gateway.gate import Gate
from paddock.gateway.relay import NOT_PASSED_ON, Relay
from paddock.gateway.routes import Call, Endpoint, Route, RouteTable

PATH = "/v1/chat/completions"
JSON = ((b"Content-Type", b"application/json"),)


def ours(port: int) -> Endpoint:
    pool = ConnectionPool(Address("127.0.0.1", port), "k")

    async def handler(call: Call) -> web.StreamResponse:
        body = await sent_body(call.request, 1 << 20)
        relay = Relay(call.request, ((b"X-Request-Id", call.id.encode()),), stall_timeout=60)
        connection = pool.take() or await pool.connect()
        return await relay.run(connection, pool.head("POST", PATH, JSON, length=len(body)), body)

    return handler


def theirs(port: int) -> Endpoint:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )

    async def handler(call: Call) -> web.StreamResponse:
        body = await sent_body(call.request, 1 << 20)
        url = f"http://127.0.0.1:{port}{PATH}"
        headers = {"Content-Type": "application/json"}
        async with session.post(url, data=body, headers=headers) as answer:
            passed = [(k, v) for k, v in answer.raw_headers if k.lower() not in NOT_PASSED_ON]
            response = web.StreamResponse(status=answer.status)
            for name, value in passed:
                response.headers.add(name.decode(), value.decode())
            response.headers["X-Request-Id"] = call.id
            if answer.content_length is not None:
                response.content_length = answer.content_length
            await response.prepare(call.request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
        return response

    return handler


async def main(kind: str, upstream: int) -> None:
    handler = {"ours": ours, "aiohttp": theirs}[kind](upstream)
    gate = Gate(HostRules("bench"), (), KeyRing(()))
    door = Door("bench", RouteTable([Route("POST", PATH, handler)]), gate)
    runner = web.ServerRunner(door.server())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell_cpu)
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def tell_cpu() -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(usage.ru_utime + usage.ru_stime, flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
