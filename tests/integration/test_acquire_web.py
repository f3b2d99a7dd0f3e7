"""The client for the world, against servers that send it where it must not go."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from tests.fakes.certificate import make_certificate

from paddock.acquire.web import Policy, PublicOnly, Web
from paddock.errors import AddressRefused, HubBroken, HubUnreachable

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Place:
    """A server and what it saw."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        """The headers of every request, lower case, and `:path`."""
        self.connections = 0
        self.url = ""
        self.port = 0


@asynccontextmanager
async def place(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    """A server on a loopback port. Connections count even if they never ask."""
    made = Place()

    async def seen(request: web.BaseRequest) -> web.StreamResponse:
        told = {name.lower(): value for name, value in request.headers.items()}
        made.requests.append(told | {":path": request.raw_path, ":method": request.method})
        return await handle(request)  # type: ignore[arg-type]

    server = web.Server(seen, access_log=None)

    def connected() -> Any:
        made.connections += 1
        return server()

    listener = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0, ssl=tls)
    made.port = listener.sockets[0].getsockname()[1]
    made.url = f"{'https' if tls else 'http'}://127.0.0.1:{made.port}"
    try:
        yield made
    finally:
        listener.close()
        await server.shutdown()


def leading_to(*targets: str, status: int = 302) -> Handle:
    """Redirects, one after the other, and then an answer."""
    left = list(targets)

    async def handle(request: web.Request) -> web.StreamResponse:
        if left:
            return web.Response(status=status, headers={"Location": left.pop(0)})
        return web.json_response({"path": request.raw_path})

    return handle


async def plain(request: web.Request) -> web.StreamResponse:
    return web.Response(text="canary")


@asynccontextmanager
async def client(*, hubs: tuple[str, ...] = (), registries: tuple[str, ...] = ()) -> Any:
    made = Web(Policy.of(hubs, registries), user_agent="paddock/test")
    try:
        yield made
    finally:
        await made.aclose()


async def status_of(ours: Web, url: str, **asked: Any) -> int:
    async with ours.get(url, **asked) as answer:
        return int(answer.status)


# --- only where allowed


async def test_what_is_not_listed_is_not_asked():
    async with place(plain) as canary, client(registries=("http://127.0.0.1:1",)) as ours:
        for url in (canary.url, f"https://localhost:{canary.port}", "https://example.com"):
            with pytest.raises(AddressRefused, match="not one of the allowed") as raised:
                await status_of(ours, url)
            assert "registries" in raised.value.hint
        assert canary.connections == 0


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/x",
        "https://127.0.0.1:{port}/x",
        "https://localhost:{port}/x",
        "https://[::1]:{port}/x",
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://[::ffff:7f00:1]:{port}/",
        "https://[2002:7f00:1::]:{port}/",
        "https://[64:ff9b::7f00:1]:{port}/",
        "https://0x7f.1:{port}/",
        "https://0x7f000001:{port}/",
        "https://2130706433:{port}/",
        "https://127.1:{port}/",
        "https://0:{port}/",
        "https://169.254.169.254/latest/meta-data",
        "http://a@127.0.0.1:{port}/",
        "https://example.com@127.0.0.1:{port}/",
        "https://127.0.0.1:{port}\\@example.com/",
        "//127.0.0.1:{port}/x",
        "//localhost:{port}/x",
        "ftp://127.0.0.1:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_",
        "https://[::1:{port}/",
        "//[",
        "https://ü.example:{port}/",
        "https://127.0.0.1:{port}/\r\nX-Evil: 1",
    ],
)
async def test_a_registry_cannot_send_us_into_the_house(target):
    async with place(plain) as canary:
        there = target.format(port=canary.port).replace("\r\n", " ")
        async with place(leading_to(there)) as registry, client(registries=(registry.url,)) as ours:
            with pytest.raises(AddressRefused):
                await status_of(ours, f"{registry.url}/v2/", auth="Bearer secret")
            assert canary.connections == 0


async def test_every_redirect_is_looked_at_anew():
    async with place(plain) as canary:
        chain = leading_to("/one", "/two", f"https://localhost:{canary.port}/three")
        async with place(chain) as registry, client(registries=(registry.url,)) as ours:
            with pytest.raises(AddressRefused, match="leads to"):
                await status_of(ours, f"{registry.url}/")
            assert len(registry.requests) == 3
            assert canary.connections == 0


async def test_a_hub_in_the_house_may_have_its_files_on_another_port():
    async with (
        place(plain) as content,
        place(leading_to(content.url)) as hub,
        client(hubs=(hub.url,)) as ours,
    ):
        assert await status_of(ours, hub.url) == 200


async def test_but_not_on_another_host_of_the_house():
    async with place(plain) as content:
        async with (
            place(leading_to(f"http://localhost:{content.port}/")) as hub,
            client(hubs=(hub.url,)) as ours,
        ):
            with pytest.raises(AddressRefused, match="not https"):
                await status_of(ours, hub.url)
        assert content.connections == 0


async def test_that_right_of_a_hub_is_not_lent_to_registries():
    async with place(plain) as content:
        async with (
            place(leading_to(content.url)) as hub,
            place(leading_to(content.url)) as registry,
            client(hubs=(hub.url,), registries=(registry.url,)) as ours,
        ):
            assert await status_of(ours, hub.url) == 200
            with pytest.raises(AddressRefused):
                await status_of(ours, registry.url)
        assert content.connections == 1


async def test_where_a_listed_origin_sent_us_may_be_asked_again():
    async with place(plain) as content, place(leading_to(f"{content.url}/signed?s=1")) as hub:
        async with client(hubs=(hub.url,)) as ours:
            async with ours.get(hub.url) as answer:
                signed = answer.url
            assert await status_of(ours, signed, headers={"Range": "bytes=0-1"}) == 200
        async with client(hubs=(hub.url,)) as ours:
            with pytest.raises(AddressRefused, match="not one of the allowed"):
                await status_of(ours, signed)


async def test_a_circle_of_redirects_ends():
    async with place(leading_to(*["/again"] * 50)) as registry:
        async with client(registries=(registry.url,)) as ours:
            with pytest.raises(HubBroken, match="without an end"):
                await status_of(ours, registry.url)
        assert len(registry.requests) == 11


async def test_what_nobody_but_us_lists_must_be_public():
    async with place(plain) as canary:
        default = f"https://localhost:{canary.port}"
        for hubs, registries in (((default,), ()), ((), (default,))):
            policy = Policy.of(hubs, registries, defaults=(default,))
            ours = Web(policy, user_agent="paddock/test")
            with pytest.raises(AddressRefused, match="no public address"):
                await status_of(ours, default)
            await ours.aclose()
        assert canary.connections == 0


# --- names


class Names(AbstractResolver):
    """Tells each time the next answer."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
        return [
            {"hostname": host, "host": address, "port": port, "family": 2, "proto": 0, "flags": 0}
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    "found", [("127.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("::ffff:192.168.0.1",), ("fe80::1%2",)]
)
async def test_one_address_that_is_not_public_refuses_a_name(found):
    with pytest.raises(AddressRefused, match="no public address"):
        await PublicOnly(Names(found)).resolve("evil.example", 443)


async def test_a_name_is_looked_up_once_for_a_connection():
    """So that there is nothing between the check and the connection that could change."""
    async with place(plain) as canary:
        target = f"https://flip.example:{canary.port}/"
        names = Names(("127.0.0.1",), ("8.8.8.8",))
        async with place(leading_to(target)) as registry:
            ours = Web(Policy.of((), (registry.url,)), user_agent="x", lookup=names)
            with pytest.raises(AddressRefused, match=r"flip\.example leads to 127\.0\.0\.1"):
                await status_of(ours, registry.url)
            await ours.aclose()
        assert names.answers == [("8.8.8.8",)]
        assert canary.connections == 0


# --- what goes along


async def test_nothing_secret_goes_to_another_origin():
    secret = {"Cookie": "a=b", "X-Api-Key": "k", "Proxy-Authorization": "p", "Referer": "r"}
    async with (
        place(plain) as content,
        place(leading_to(f"{content.url}/b")) as hub,
        client(hubs=(hub.url,)) as ours,
    ):
        asked = {**secret, "Range": "bytes=0-9", "Authorization": "Bearer in-headers"}
        assert await status_of(ours, hub.url, headers=asked) == 200
        assert await status_of(ours, hub.url, auth="Bearer secret") == 200
    assert hub.requests[0]["authorization"] == "Bearer in-headers"
    got = content.requests[0]
    assert not {"authorization", "cookie", "x-api-key", "proxy-authorization", "referer"} & set(got)
    assert got["range"] == "bytes=0-9"
    assert got["accept-encoding"] == "identity"


async def test_credentials_do_not_come_back_after_a_way_around():
    there: list[str] = []

    async def back(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"{there[0]}/end"})

    async with place(back) as content, place(leading_to(f"{content.url}/b")) as hub:
        there.append(hub.url)
        async with client(hubs=(hub.url,)) as ours:
            assert await status_of(ours, hub.url, auth="Bearer secret") == 200
    assert [request.get("authorization") for request in hub.requests] == ["Bearer secret", None]


async def test_cookies_are_not_kept():
    async def sets(request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with place(sets) as registry, client(registries=(registry.url,)) as ours:
        for _ in range(2):
            await status_of(ours, registry.url)
    assert "cookie" not in registry.requests[1]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    async with place(plain) as canary, place(plain) as registry:
        monkeypatch.setenv("http_proxy", canary.url)
        async with client(registries=(registry.url,)) as ours:
            assert await status_of(ours, registry.url) == 200
        assert canary.connections == 0


async def test_uploads_are_not_sent_elsewhere():
    async with place(plain) as content, place(leading_to(content.url, status=307)) as hub:
        async with client(hubs=(hub.url,)) as ours:
            with pytest.raises(AddressRefused, match="uploaded"):
                await status_of(ours, hub.url, method="PUT", body=b"secret")
        assert content.connections == 0


async def test_a_signed_address_is_sent_as_it_was_written():
    signed = "/a%7Eb%2Fc%27?X-Amz-Signature=%2b%7E&q=~'()"
    async with place(leading_to(signed)) as registry, client(registries=(registry.url,)) as ours:
        assert await status_of(ours, f"{registry.url}/start") == 200
    assert registry.requests[1][":path"] == signed


async def test_signatures_are_in_no_error_and_no_log(caplog):
    caplog.set_level(logging.DEBUG)

    async def breaks(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with place(breaks) as content:
        target = f"{content.url}/f?X-Amz-Signature=verysecret"
        async with place(leading_to(target)) as hub, client(hubs=(hub.url,)) as ours:
            with pytest.raises(HubUnreachable) as raised:
                await status_of(ours, hub.url)
    logged = "".join(r.getMessage() for r in caplog.records if r.name != "aiohttp.server")
    assert "verysecret" not in f"{raised.value!r}{raised.value.hint}{logged}"


# --- what comes back


async def test_a_body_has_a_limit():
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65536)
        except ConnectionError:
            return answer

    async with (
        place(endless) as registry,
        client(registries=(registry.url,)) as ours,
        ours.get(registry.url) as answer,
    ):
        with pytest.raises(HubBroken, match="more than 1000000 bytes"):
            await answer.json(1_000_000)


async def test_a_told_length_over_the_limit_is_not_read():
    async def large(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": str(5 << 30)})
        await answer.prepare(request)
        return answer

    async with (
        place(large) as registry,
        client(registries=(registry.url,)) as ours,
        ours.get(registry.url) as answer,
    ):
        with pytest.raises(HubBroken, match="more than"):
            await answer.read(4 << 20)


async def test_packed_bodies_are_not_unpacked():
    async def packed(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    async with (
        place(packed) as registry,
        client(registries=(registry.url,)) as ours,
        ours.get(registry.url) as answer,
    ):
        with pytest.raises(HubBroken, match="packed"):
            await answer.read(1000)


@pytest.mark.parametrize("body", ["<html>error</html>", "", "[" * 100_000, "{"])
async def test_what_is_no_json_is_told_without_showing_it(body):
    async def answers(request: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    async with (
        place(answers) as registry,
        client(registries=(registry.url,)) as ours,
        ours.get(registry.url) as answer,
    ):
        with pytest.raises(HubBroken) as raised:
            await answer.json(1 << 20)
    assert raised.value.message == "127.0.0.1 does not answer with JSON"


async def test_a_server_that_says_nothing_is_given_up():
    never = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    async with place(silent) as registry, client(registries=(registry.url,)) as ours:
        with pytest.raises(HubUnreachable, match="does not answer"):
            await status_of(ours, registry.url, stall=0.05)
        never.set()


async def test_a_server_that_takes_nothing_is_given_up():
    async def body() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * (1 << 20)

    with socket.create_server(("127.0.0.1", 0)) as deaf:  # the kernel connects, nobody reads
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        async with client(registries=(url,)) as ours:
            with pytest.raises(HubUnreachable, match="does not answer"):
                await status_of(ours, url, method="PATCH", body=body, stall=0.2)


async def test_an_answer_that_ends_early_is_told():
    async def short(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"x")
        assert request.transport is not None
        request.transport.close()
        return answer

    async with (
        place(short) as registry,
        client(registries=(registry.url,)) as ours,
        ours.get(registry.url) as answer,
    ):
        with pytest.raises(HubUnreachable, match=r"ended its answer early|broke"):
            await answer.read(1000)


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key)
    async with place(plain, context) as registry, client(registries=(registry.url,)) as ours:
        with pytest.raises(HubBroken, match="certificate"):
            await status_of(ours, registry.url, auth="Bearer secret")
    assert registry.requests == []


async def test_http_where_https_was_asked_for_is_told():
    async with place(plain) as registry:
        there = registry.url.replace("http://", "https://")
        async with client(registries=(there,)) as ours:
            with pytest.raises(HubBroken, match="TLS"):
                await status_of(ours, there)


async def test_nobody_there_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with client(registries=(url,)) as ours:
        with pytest.raises(HubUnreachable, match="cannot be reached"):
            await status_of(ours, url)


async def test_leaving_an_answer_unread_is_safe():
    async def falsely(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=416, headers={"Content-Length": "1000000"})
        await answer.prepare(request)
        return answer

    async with place(falsely) as registry, client(registries=(registry.url,)) as ours:
        for _ in range(3):
            assert await status_of(ours, registry.url) == 416
        assert registry.connections == 3
