"""Registries in Ollama's way: Debian's docker-registry, and ones that lie."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.fakes.ollama_store import OllamaStore
from tests.fakes.registry import Registry as RealRegistry

from paddock.acquire.ollama_registry import ACCEPT, OCI_TYPE, Registry
from paddock.acquire.push import push
from paddock.acquire.web import Policy, Web
from paddock.errors import (
    AddressRefused,
    HubBroken,
    HubUnreachable,
    InvalidManifest,
    NeedsToken,
    NotRunnable,
    NotThere,
    RateLimited,
    StoreError,
    UnknownModel,
    WrongBytes,
)
from paddock.library.manifest import Layer
from paddock.library.ollama_name import OllamaName
from paddock.library.store import Store

WEIGHTS = b"GGUF" + bytes(range(256)) * 40
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
MODEL_TYPE = "application/vnd.ollama.image.model"


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealRegistry]:
    with RealRegistry(tmp_path) as registry:
        yield registry


@pytest.fixture
def made(tmp_path: Path) -> OllamaStore:
    """A store with a model `tiny`."""
    gguf = tmp_path / "tiny.gguf"
    gguf.write_bytes(WEIGHTS)
    store = OllamaStore(tmp_path / "made")
    store.add("tiny", gguf, template="{{ .Prompt }}", license="free")
    return store


@asynccontextmanager
async def ours(base: str, login: str = "") -> AsyncIterator[Registry]:
    client = Web(Policy.of((), (base,)), user_agent="paddock/test")
    try:
        yield Registry(client, base, login=login, pauses=(0.0, 0.0))
    finally:
        await client.aclose()


def name_at(base: str, rest: str = "library/tiny:latest") -> OllamaName:
    return OllamaName.parse(f"{base}/{rest}")


# --- a real one


async def test_a_manifest_is_brought_as_it_is(real, made):
    real.push(made, "tiny")
    async with ours(real.url) as registry:
        data, manifest = await registry.manifest(name_at(real.url))
        assert data == made.manifest_path("tiny").read_bytes()
        (layer,) = manifest.of_type(MODEL_TYPE)
        file = registry.blob(name_at(real.url), layer)
        assert (file.size, file.digest) == (len(WEIGHTS), layer.digest)
        async with registry.ask(name_at(real.url), file.url) as answer:
            assert await answer.read(1 << 20) == WEIGHTS


async def test_an_oci_manifest_is_taken_too(real, made):
    real.push(made, "tiny")
    told = json.loads(real.manifest("library/tiny"))
    told["mediaType"] = OCI_TYPE
    real.add_manifest("library/tiny", "oci", json.dumps(told).encode(), OCI_TYPE)
    async with ours(real.url) as registry:
        data, _ = await registry.manifest(name_at(real.url, "library/tiny:oci"))
    assert json.loads(data)["mediaType"] == OCI_TYPE


@pytest.mark.parametrize(
    "rest", ["library/none:latest", "library/tiny:none", "Library/Tiny:latest"]
)
async def test_what_it_does_not_have_is_told_as_ollama_does(real, made, rest):
    real.push(made, "tiny")
    async with ours(real.url) as registry:
        with pytest.raises(NotThere, match="pull model manifest: file does not exist"):
            await registry.manifest(name_at(real.url, rest))


async def test_a_model_for_mlx_says_so(real, made):
    tensor = made.layer("tensor", b"weights", name="a.weight")
    made.add_layers("mlx", [tensor])
    real.push(made, "mlx")
    async with ours(real.url) as registry:
        with pytest.raises(NotRunnable, match="made for MLX"):
            await registry.manifest(name_at(real.url, "library/mlx"))


async def test_a_model_of_the_cloud_says_so(real, made):
    made.add_layers("cloudy", [], {"remote_host": "https://ollama.com", "remote_model": "x"})
    real.push(made, "cloudy")
    async with ours(real.url) as registry:
        with pytest.raises(NotRunnable, match="in Ollama's cloud"):
            await registry.manifest(name_at(real.url, "library/cloudy"))


async def test_an_image_of_another_kind_says_so(real, made):
    made.add_layers("image", [{**made.layer("x", b"tar"), "mediaType": "application/x-tar\x1b[2J"}])
    real.push(made, "image")
    async with ours(real.url) as registry:
        with pytest.raises(NotRunnable, match="which nothing here can use") as raised:
            await registry.manifest(name_at(real.url, "library/image"))
        assert "\x1b" not in raised.value.message


# --- pushing to a real one


async def pushed(
    registry: Registry, store: OllamaStore, name: OllamaName, **more: Any
) -> list[Any]:
    return [told async for told in push(registry, Store(store.root), name, **more)]


async def test_a_push_gives_what_a_pull_takes(real, made):
    made.add("other/tiny:v1", made.blob_path(digest_of(WEIGHTS)), system="Be kind.")
    name = OllamaName.parse("other/tiny:v1")
    async with ours(real.url) as registry:
        told = await pushed(registry, made, name, piece_bytes=3000)
        assert told[0] == {"status": "retrieving manifest"}
        assert told[-2:] == [{"status": "pushing manifest"}, {"status": "success"}]
        weights = [one["completed"] for one in told if one.get("total") == len(WEIGHTS)]
        assert weights == [0, 3000, 6000, 9000, len(WEIGHTS)]
        assert {one["status"] for one in told if one.get("total") == len(WEIGHTS)} == {
            f"pushing {sha256(WEIGHTS).hexdigest()[:12]}"
        }
        again = await pushed(registry, made, name)
        assert [one["completed"] for one in again if one.get("total") == len(WEIGHTS)] == [
            len(WEIGHTS)
        ]
    assert real.manifest("other/tiny", "v1") == made.manifest_path("other/tiny:v1").read_bytes()
    assert real.blob("other/tiny", digest_of(WEIGHTS)) == WEIGHTS


def digest_of(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


async def test_a_blob_of_another_model_there_is_mounted(real, made):
    real.push(made, "tiny")
    told = json.loads(made.manifest_path("tiny").read_bytes())
    told["layers"][0]["from"] = "library/tiny:latest"
    made.write("me/copy", told)
    async with ours(real.url) as registry:
        steps = await pushed(registry, made, OllamaName.parse("me/copy"))
    completed = [one["completed"] for one in steps if one.get("total") == len(WEIGHTS)]
    assert completed == [len(WEIGHTS)]
    assert real.blob("me/copy", digest_of(WEIGHTS)) == WEIGHTS


async def test_what_cannot_be_pushed_says_why(real, made):
    async with ours(real.url) as registry:
        with pytest.raises(UnknownModel):
            await pushed(registry, made, OllamaName.parse("none"))
        made.add("Upper/Case", None, system="x")
        with pytest.raises(NotThere) as raised:
            await pushed(registry, made, OllamaName.parse("Upper/Case"))
        assert "lower case" in raised.value.hint
        blob = made.blob_path(digest_of(WEIGHTS))
        blob.write_bytes(WEIGHTS[:-1] + b"x")
        with pytest.raises(StoreError, match="damaged"):
            await pushed(registry, made, OllamaName.parse("tiny"))
        blob.write_bytes(WEIGHTS[:-1])
        with pytest.raises(StoreError, match="bytes instead of"):
            await pushed(registry, made, OllamaName.parse("tiny"))
        blob.unlink()
        with pytest.raises(StoreError, match="cannot be read"):
            await pushed(registry, made, OllamaName.parse("tiny"))
    assert real.ask("GET", "/v2/library/tiny/manifests/latest")[0] == 404


# --- ones that lie

Handle = Callable[[web.Request], Any]


class Liar:
    """A registry whose answers a test writes."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[str, str, dict[str, str]]] = []


@asynccontextmanager
async def liar(handle: Handle) -> AsyncIterator[Liar]:
    made = Liar()

    async def seen(request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        made.seen.append((request.method, request.raw_path, headers))
        answer = handle(request)  # type: ignore[arg-type]
        return await answer if asyncio.iscoroutine(answer) else answer

    server = web.Server(seen, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listener.close()
        await server.shutdown()


def layer(size: Any = 10, digest: str = "sha256:" + "a" * 64, kind: str = MODEL_TYPE) -> Any:
    return {"mediaType": kind, "digest": digest, "size": size}


def manifest(*layers: Any) -> bytes:
    config = layer(5, "sha256:" + "c" * 64, CONFIG_TYPE)
    return json.dumps({"schemaVersion": 2, "config": config, "layers": list(layers)}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>no</html>",
        b"[]",
        b"{}",
        b'{"layers": 3}',
        b"[" * 100_000,
        manifest(layer(1 << 63)),
        manifest(layer(-1)),
        manifest(layer("10")),
        manifest(layer(1.5)),
        manifest(layer(True)),
        manifest(layer(digest="sha256:" + "a" * 63)),
        manifest(layer(digest="sha256:../../../../etc/passwd")),
        manifest(layer(digest="md5:" + "a" * 64)),
        manifest(layer(), layer(11)),
        manifest(layer(1 << 50), layer(1 << 50, "sha256:" + "b" * 64)),
        manifest(layer(), *[layer(1, f"sha256:{number:064x}") for number in range(1000)]),
        b'{"layers": [' + b"{}," * 2_000_000,
    ],
)
async def test_a_manifest_that_cannot_be_believed_is_refused(body):
    async with liar(lambda request: web.Response(body=body)) as there, ours(there.url) as registry:
        with pytest.raises((InvalidManifest, HubBroken)) as raised:
            await registry.manifest(name_at(there.url))
        assert "<html" not in raised.value.message
        assert there.seen[0][2]["accept"] == ACCEPT


async def test_a_manifest_that_is_not_the_one_it_is_told_to_be_is_refused():
    def answers(request: web.Request) -> web.Response:
        headers = {"Docker-Content-Digest": "sha256:" + "0" * 64}
        return web.Response(body=manifest(layer()), headers=headers)

    async with liar(answers) as there, ours(there.url) as registry:
        with pytest.raises(WrongBytes):
            await registry.manifest(name_at(there.url))


async def test_a_manifest_without_an_end_is_given_up():
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b" " * 65536)
        except ConnectionError:
            return answer

    async with liar(endless) as there, ours(there.url) as registry:
        with pytest.raises(HubBroken, match="more than"):
            await registry.manifest(name_at(there.url))


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (412, NotRunnable, "requires a newer version of Ollama"),
        (403, NeedsToken, "wants a login"),
        (429, RateLimited, "fewer requests"),
        (418, HubBroken, "418"),
        (404, NotThere, "file does not exist"),
    ],
)
async def test_refusals_are_told_without_their_bodies(status, error, words):
    def refuses(request: web.Request) -> web.Response:
        return web.Response(status=status, text="<b>secret page</b>", headers={"Retry-After": "7"})

    async with liar(refuses) as there, ours(there.url) as registry:
        with pytest.raises(error, match=words) as raised:
            await registry.manifest(name_at(there.url))
        assert "secret" not in raised.value.message + raised.value.hint
        assert getattr(raised.value, "retry_after", 7) == 7
        assert len(there.seen) == 1


async def test_passing_trouble_is_asked_again():
    left = [502, 503]

    def answers(request: web.Request) -> web.Response:
        return web.Response(status=left.pop()) if left else web.Response(body=manifest(layer()))

    async with liar(answers) as there, ours(there.url) as registry:
        await registry.manifest(name_at(there.url))
        left += [500] * 3
        with pytest.raises(HubUnreachable):
            await registry.manifest(name_at(there.url))


# --- tokens


def guarded(realm: Callable[[web.Request], str], tokens: list[str]) -> Handle:
    """Answers who has the last of `tokens`; each that is asked for becomes the last."""

    def answers(request: web.Request) -> web.Response:
        if request.path == "/token":
            tokens.append(f"t{len(tokens)}")
            return web.json_response({"access_token": tokens[-1], "expires_in": 60})
        if tokens and request.headers.get("Authorization") == f"Bearer {tokens[-1]}":
            return web.Response(body=manifest(layer()))
        scope = "repository:library/tiny:pull"
        told = f'Bearer realm="{realm(request)}",service="a b",scope="{scope}"'
        return web.Response(status=401, headers={"WWW-Authenticate": told})

    return answers


def own_realm(request: web.Request) -> str:
    return f"http://{request.host}/token"


async def test_a_token_is_got_where_the_registry_is():
    tokens: list[str] = []
    async with liar(guarded(own_realm, tokens)) as there, ours(there.url) as registry:
        await registry.manifest(name_at(there.url))
        await registry.manifest(name_at(there.url))
    asked = [path for _, path, _ in there.seen if path.startswith("/token")]
    assert asked == ["/token?service=a+b&scope=repository%3Alibrary%2Ftiny%3Apull"]
    assert all("authorization" not in headers for _, path, headers in there.seen if "token" in path)


async def test_a_token_that_ran_out_is_got_anew():
    tokens: list[str] = []
    async with liar(guarded(own_realm, tokens)) as there, ours(there.url) as registry:
        name = name_at(there.url)
        tell = registry.credentials(name)
        assert await tell() == {}
        assert await tell() == {"Authorization": "Bearer t0"}
        assert await registry.credentials(name)() == {"Authorization": "Bearer t0"}
        assert await tell() == {"Authorization": "Bearer t1"}
        tokens.append("revoked")
        await registry.manifest(name)


@pytest.mark.parametrize(
    "realm",
    [
        "https://{host}/token",
        "http://localhost:{port}/token",
        "http://{host}@evil.example/token",
        "http://127.0.0.1:{canary}/token",
        "https://evil.example/token",
        "ftp://{host}/",
        "/token",
    ],
)
async def test_a_realm_elsewhere_is_not_asked(realm):
    async with liar(lambda request: web.json_response({"token": "x"})) as canary:

        def told(request: web.Request) -> str:
            port = request.host.partition(":")[2]
            return realm.format(host=request.host, port=port, canary=canary.url.rpartition(":")[2])

        async with (
            liar(guarded(told, [])) as there,
            ours(there.url, login="me:secret") as registry,
        ):
            with pytest.raises(AddressRefused):
                await registry.manifest(name_at(there.url))
            assert canary.seen == []
            assert not any("authorization" in headers for _, _, headers in there.seen)


async def test_a_login_is_used_only_when_it_is_asked_for():
    def answers(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") == "Basic bWU6c2VjcmV0":
            return web.Response(body=manifest(layer()))
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    async with liar(answers) as there:
        async with ours(there.url) as registry:
            with pytest.raises(NeedsToken):
                await registry.manifest(name_at(there.url))
        async with ours(there.url, login="me:secret") as registry:
            await registry.manifest(name_at(there.url))
    assert "authorization" not in there.seen[0][2]


@pytest.mark.parametrize("token", [None, "", "a\r\nX-Evil: 1", "ü", ["x"], "x" * 20_000])
async def test_a_token_that_is_none_is_refused(token):
    def answers(request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.json_response({"token": token})
        told = f'Bearer realm="{own_realm(request)}"'
        return web.Response(status=401, headers={"WWW-Authenticate": told})

    async with liar(answers) as there, ours(there.url) as registry:
        with pytest.raises(HubBroken, match="gives no token"):
            await registry.manifest(name_at(there.url))


async def test_a_token_that_helps_nothing_is_told():
    def answers(request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.json_response({"token": "x"})
        told = f'Bearer realm="{own_realm(request)}"'
        return web.Response(status=401, headers={"WWW-Authenticate": told})

    async with liar(answers) as there, ours(there.url) as registry:
        with pytest.raises(NeedsToken):
            await registry.manifest(name_at(there.url))
    assert len(there.seen) == 3


# --- uploads that go wrong


class Uploads:
    """A registry that takes one blob, with faults."""

    def __init__(self, elsewhere: str = "") -> None:
        self.data = bytearray()
        self.breaks = [5000, 7000]
        """At which sizes a connection breaks, once each."""
        self.elsewhere = elsewhere
        self.manifests: list[bytes] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response(status=404)
        if request.method == "POST":
            self.data.clear()
            return self.there(202)
        if request.method == "GET":
            return self.there(204)
        if request.method == "PATCH":
            return await self.take(request)
        if "manifests" in request.path:
            self.manifests.append(await request.read())
            return web.Response(status=201)
        right = request.query["digest"] == digest_of(bytes(self.data))
        return web.Response(status=201 if right else 400)

    def there(self, status: int) -> web.Response:
        where = f"{self.elsewhere}/v2/uploads/1?_state=a%2Fb"
        headers = {"Location": where, "Range": f"0-{max(0, len(self.data) - 1)}"}
        return web.Response(status=status, headers=headers)

    async def take(self, request: web.Request) -> web.StreamResponse:
        assert "_state=a%2Fb" in request.raw_path
        if int(request.headers["Content-Range"].partition("-")[0]) != len(self.data):
            return web.Response(status=416)
        async for piece in request.content.iter_any():
            self.data += piece
            if self.breaks and len(self.data) >= self.breaks[0]:
                del self.data[self.breaks.pop(0) :]
                assert request.transport is not None
                request.transport.abort()
                break
        return self.there(202)


async def test_a_push_goes_on_where_the_registry_is(made):
    uploads = Uploads()
    told = json.loads(made.manifest_path("tiny").read_bytes())
    told["layers"] = told["layers"][:1]
    made.write("one", told)
    async with liar(uploads) as there, ours(there.url) as registry:
        steps = await pushed(registry, made, OllamaName.parse("one"), piece_bytes=4000)
    assert steps[-1] == {"status": "success"}
    assert uploads.breaks == []
    assert uploads.manifests == [made.manifest_path("one").read_bytes()]
    completed = [one["completed"] for one in steps if one.get("total") == len(WEIGHTS)]
    assert completed == sorted(completed)


async def test_uploads_go_nowhere_else(made):
    async with liar(lambda request: web.Response(status=202)) as canary:
        async with liar(Uploads(canary.url)) as there, ours(there.url) as registry:
            with pytest.raises(AddressRefused, match="uploaded"):
                await pushed(registry, made, OllamaName.parse("tiny"))
        assert canary.seen == []


async def test_blobs_are_found_below_the_repository(made):
    async with ours("https://registry.ollama.ai") as registry:
        digest = Layer.read(layer(), "x").digest
        file = registry.blob(OllamaName.parse("llama3.2"), Layer(MODEL_TYPE, digest, 10))
        assert file.url == f"https://registry.ollama.ai/v2/library/llama3.2/blobs/{digest}"
