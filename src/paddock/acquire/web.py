"""The only client for the world: hubs, registries, and the hosts that they send us to.

What it promises, for every request and again for every redirect:

- The first address is on the owner's list of origins, or is one that a listed origin sent us to.
- What is not on the list is spoken to by https only and has nothing but public addresses. They are
  looked up once, by the resolver of the connection itself, so that what is checked is what is
  connected to, however often the name changes its mind.
- Nothing of a caller's goes to another origin but the few headers of `_CARRIED`: no credentials.
- A body is never larger than the caller said, never decompressed, and never part of an error.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from multidict import CIMultiDictProxy
from yarl import URL

from paddock.acquire.addresses import Origin, is_literal, is_public, joined, origin_of, read
from paddock.errors import AddressRefused, HubBroken, HubUnreachable

MOST_HOPS: Final = 10
CONNECT_SECONDS: Final = 15.0
"""For one address of a name."""
REACH_SECONDS: Final = 60.0
"""For looking a name up and all of its addresses."""
TEXT_SECONDS: Final = 60.0
"""A short answer must be there by then, however its bytes trickle."""
_LONG_LINE: Final = 16 << 10
_AT_ONCE: Final = 512 << 10
"""Bytes of one read from a socket."""
_HELD: Final = 1 << 20
"""Bytes that wait to be taken before a connection is told to stop: more than come at once."""
_MOST_CONTENT_ORIGINS: Final = 256
_OTHER_THREAD: Final = 256 << 10
"""JSON of more bytes is read in a thread."""

_CARRIED: Final = frozenset({"accept", "accept-encoding", "if-range", "range"})
"""Headers of the caller's that another origin gets too."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Body = bytes | Callable[[], AsyncIterable[bytes]]
"""What is sent: bytes, or who makes them, anew for every hop."""


class Policy(NamedTuple):
    """Where we may go."""

    origins: frozenset[str]
    """What the owner or the defaults list, as `str(Origin)`: may be private, and plain http."""
    hubs: frozenset[str] = frozenset()
    """Those of them that may also send us to other ports of their own host, though it is private:
    a hub in the house has its files on a server beside it."""
    public: frozenset[str] = frozenset()
    """Those of them that must be public all the same: nobody but us listed them."""

    @classmethod
    def of(
        cls,
        hubs: tuple[str, ...],
        registries: tuple[str, ...] = (),
        *,
        defaults: tuple[str, ...] = (),
    ) -> Policy:
        """The policy for these hubs and registries, each `scheme://host[:port][/path]`.

        Those of `defaults` among them must be public. Raises AddressRefused for what is no address.
        """
        public = _origins(defaults)
        trusted = _origins(hubs)
        return cls(trusted | _origins(registries), trusted - public, public)


def _origins(addresses: tuple[str, ...]) -> frozenset[str]:
    return frozenset(str(origin_of(address)) for address in addresses)


class Answer:
    """The last answer of a request: that of the place where its redirects ended."""

    def __init__(self, response: aiohttp.ClientResponse, url: str, host: str) -> None:
        self._response = response
        self.status = response.status
        self.headers: CIMultiDictProxy[str] = response.headers
        self.url = url
        """Where it came from. It may be signed: for asking again, never for a log."""
        self.host = host
        """Who answered, for errors."""

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes. Raises HubUnreachable when it stalls, or ends early."""
        self._check_coding()
        self._read_much()
        with told(self.host):
            async for piece in self._response.content.iter_any():
                yield piece

    def _read_much(self) -> None:
        """Take more from the socket at once, where the loop lets us say how much."""
        connection = self._response.connection
        transport = connection.transport if connection is not None else None
        if transport is not None and hasattr(transport, "max_size"):  # of asyncio's, undocumented
            transport.max_size = _AT_ONCE

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises HubBroken when it has more than `limit` bytes, or is too slow."""
        length = self._response.content_length
        if length is not None and length > limit:
            raise self._too_large(limit)
        data = bytearray()
        try:
            async with asyncio.timeout(TEXT_SECONDS):
                async for piece in self.chunks():
                    data += piece
                    if len(data) > limit:
                        raise self._too_large(limit)
        except TimeoutError:
            raise HubUnreachable(f"{self.host} is too slow") from None
        return bytes(data)

    async def text(self, limit: int) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return (await self.read(limit)).decode("utf-8", "replace")

    async def json(self, limit: int) -> Any:
        """The body as JSON. Raises HubBroken when it is none."""
        return await parse_json(await self.read(limit), self.host)

    def _too_large(self, limit: int) -> HubBroken:
        return HubBroken(f"{self.host} answers with more than {limit} bytes", status=self.status)

    def _check_coding(self) -> None:
        coding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if coding != "identity":
            raise HubBroken(
                f"{self.host} sends packed data, which was not asked for", status=self.status
            )


async def parse_json(data: bytes, host: str) -> Any:
    """JSON that `host` sent; much of it in a thread. Raises HubBroken when it is none."""
    try:
        if len(data) > _OTHER_THREAD:
            return await asyncio.to_thread(json.loads, data)
        return json.loads(data)
    except (ValueError, RecursionError):
        raise HubBroken(f"{host} does not answer with JSON") from None


class Web:
    """The client; one for each event loop. Connections are kept until `aclose`."""

    def __init__(
        self, policy: Policy, *, user_agent: str, lookup: AbstractResolver | None = None
    ) -> None:
        """`lookup` finds the addresses of names that are not listed; without it the system does."""
        self.policy = policy
        self._agent = user_agent
        self._lookup = lookup
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """By whether any address will do. Apart, so that no connection to a private address is
        used for somebody who may have public ones only."""
        self._senders: dict[str, str] = {}
        """The listed origin that sent us to each content origin."""

    @asynccontextmanager
    async def get(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        auth: str = "",
        body: Body | None = None,
        stall: float = 30,
    ) -> AsyncGenerator[Answer]:
        """Ask for `url` and follow where it leads; any status is an answer.

        `auth` is the value of `Authorization`; it goes to the origin of `url` only. `stall`:
        seconds without a byte after which HubUnreachable is raised. Raises AddressRefused,
        HubBroken for a redirect that leads nowhere, and what `Answer` raises. Leaving the block
        ends the answer, read or not; cancelling is safe at any point.
        """
        own = {"Accept-Encoding": "identity", **(headers or {})}
        if auth:
            own["Authorization"] = auth
        hop = self._first(url)
        for _ in range(MOST_HOPS + 1):
            async with self._ask(hop, method, own, body, stall) as response:
                target = _target(response)
                if target is None:
                    yield Answer(response, str(hop.url), hop.origin.host)
                    return
            before, hop = hop, self._next(hop, target)
            if before.origin != hop.origin:
                own = _carried(own)
                _check_may_move(method, hop)
            if response.status == 303 and method != "HEAD":
                method, body = "GET", None
        raise HubBroken(f"{hop.origin.host} redirects without an end")

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.close()

    # --- where to --------------------------------------------------------------------------------

    def _first(self, url: str) -> _Hop:
        parsed, origin = read(url)
        name = str(origin)
        sender = name if name in self.policy.origins else self._senders.get(name)
        if sender is None:
            raise AddressRefused(
                f"{name} is not one of the allowed registries",
                hint=f"its owner can allow it: add {name} to `registries:` in the configuration",
            )
        return self._checked(_Hop(parsed, origin, sender))

    def _next(self, before: _Hop, target: str) -> _Hop:
        parsed, origin = read(joined(str(before.url), target))
        name = str(origin)
        sender = name if name in self.policy.origins else before.sender
        hop = self._checked(_Hop(parsed, origin, sender))
        if sender != name and len(self._senders) < _MOST_CONTENT_ORIGINS:
            self._senders[name] = sender
        return hop

    def _checked(self, hop: _Hop) -> _Hop:
        """The hop, if it is allowed as far as can be told before its name is looked up."""
        if self._is_trusted(hop):
            return hop
        if hop.origin.scheme != "https":
            raise AddressRefused(
                f"{hop.sender} sends us to {hop.origin}, which is not https", hint=_list_it(hop)
            )
        if is_literal(hop.origin.host) and not is_public(hop.origin.host):
            raise AddressRefused(
                f"{hop.sender} sends us to {hop.origin}, which is no public address",
                hint=_list_it(hop),
            )
        return hop

    def _is_trusted(self, hop: _Hop) -> bool:
        """Whether any address of it will do, and http too."""
        if str(hop.origin) in self.policy.origins - self.policy.public:
            return True
        if hop.sender not in self.policy.hubs:
            return False
        sender = origin_of(hop.sender)
        return sender.host == hop.origin.host and hop.origin.scheme in {sender.scheme, "https"}

    # --- asking ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _ask(
        self, hop: _Hop, method: str, headers: Mapping[str, str], body: Body | None, stall: float
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        session = self._session(trusted=self._is_trusted(hop))
        with told(hop.origin.host):
            # aiohttp's own limits begin when all of the body was sent.
            async with asyncio.timeout(None) as sending:
                response = await session.request(
                    method,
                    hop.url,
                    headers=headers,
                    data=_watched(body, sending, stall) if callable(body) else body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(
                        total=None,
                        connect=REACH_SECONDS,
                        sock_connect=CONNECT_SECONDS,
                        sock_read=stall,
                    ),
                )
        try:
            yield response
        finally:
            # Puts the connection back when all of the answer was read, and closes it otherwise.
            response.release()

    def _session(self, *, trusted: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(trusted)
        if session is None:
            session = self._sessions[trusted] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    use_dns_cache=False,
                    resolver=None if trusted else PublicOnly(self._lookup),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                requote_redirect_url=False,
                read_bufsize=_HELD,
                headers={"User-Agent": self._agent},
                max_line_size=_LONG_LINE,
                max_field_size=_LONG_LINE,
            )
        return session


class PublicOnly(AbstractResolver):
    """Looks names up, and refuses those with any address that is not public."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        """`inner` looks up; without it the system does."""
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises AddressRefused; and OSError for a name that is not known."""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            if not is_public(result["host"]):
                raise AddressRefused(
                    f"{host} leads to {result['host']}, which is no public address",
                    hint=f"if it is yours, add its origin, like http://{host}:5000, "
                    "to `registries:` in the configuration",
                )
        return found

    async def close(self) -> None:
        """Idempotent."""
        await self._inner.close()


class _Hop(NamedTuple):
    """One address on the way, and the listed origin that led to it."""

    url: URL
    origin: Origin
    sender: str


@contextmanager
def told(host: str) -> Iterator[None]:
    """Tell what goes wrong on the way as an error of ours, which shows no address but the host."""
    try:
        yield
    except TimeoutError:
        raise HubUnreachable(f"{host} does not answer") from None
    except aiohttp.ClientConnectorCertificateError:
        raise HubBroken(f"{host} has a certificate that nobody here vouches for") from None
    except aiohttp.ClientConnectorDNSError:
        raise HubUnreachable(
            f"the name {host} is not known", hint="is this machine connected to the network?"
        ) from None
    except aiohttp.ClientConnectorSSLError:
        raise HubBroken(f"{host} does not speak TLS as https wants it") from None
    except aiohttp.ClientConnectorError as error:
        reason = error.os_error.strerror or "no connection"
        raise HubUnreachable(f"{host} cannot be reached: {reason.lower()}") from None
    except aiohttp.ClientPayloadError:
        raise HubUnreachable(f"{host} ended its answer early") from None
    except (aiohttp.ClientConnectionError, ConnectionError):
        raise HubUnreachable(f"the connection to {host} broke") from None
    except aiohttp.ClientError:
        raise HubBroken(f"{host} does not answer as HTTP asks") from None


async def _watched(
    body: Callable[[], AsyncIterable[bytes]], limit: asyncio.Timeout, stall: float
) -> AsyncIterator[bytes]:
    """The body, which ends the request when no piece of it is taken for so many seconds."""
    now = asyncio.get_running_loop().time
    # Over already: the answer came before all was sent.
    with suppress(RuntimeError):
        async for piece in body():
            limit.reschedule(now() + stall)
            yield piece
        limit.reschedule(None)


def _target(response: aiohttp.ClientResponse) -> str | None:
    """Where an answer sends us; None: it is the answer."""
    if response.status not in _REDIRECTS:
        return None
    return response.headers.get("Location")


def _carried(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _CARRIED}


def _check_may_move(method: str, hop: _Hop) -> None:
    if method not in {"GET", "HEAD"}:
        raise AddressRefused(f"{hop.sender} sends what is uploaded to {hop.origin}")


def _list_it(hop: _Hop) -> str:
    return f"if it is yours, add {hop.origin} to `registries:` in the configuration"
