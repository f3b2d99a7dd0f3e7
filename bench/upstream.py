"""A mock engine as fast as Python allows: fixed answers, paced streams. Run as a program."""

from __future__ import annotations

import asyncio
import sys

import uvloop

BODY = (
    b'{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"hello there"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
)
WHOLE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY
EVENT = (
    b'data: {"choices":[{"index":0,"delta":{"content":"tok"},"finish_reason":null}],"id":"x",'
    b'"object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"b0"}\n\n'
)
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
STREAM_END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """Answers every request at once; `"stream":true` gets `chunks` events, `pace` seconds apart."""

    chunks = 300
    pace = 0.02

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (request := self._next()) is not None:
            if b'"stream":true' in request:
                self.transport.write(STREAM_HEAD)
                self._event(self.chunks)
            else:
                self.transport.write(WHOLE)

    def _next(self) -> bytes | None:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n")[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return None
        body = self.buffer[end + 4 : end + 4 + length]
        self.buffer = self.buffer[end + 4 + length :]
        return body

    def _event(self, left: int) -> None:
        if self.transport.is_closing():
            return
        if left == 0:
            self.transport.write(STREAM_END)
            return
        self.transport.write(CHUNK)
        asyncio.get_running_loop().call_later(self.pace, self._event, left - 1)


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
