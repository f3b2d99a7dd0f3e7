"""Hugging Face's API against a hub in its own process; `huggingface_hub` says what is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from hashlib import sha1, sha256
from typing import Any

import pytest
from tests.fakes.hub import Hub as FakeHub

from paddock.acquire.huggingface import Hub
from paddock.acquire.web import Policy, Web
from paddock.errors import (
    AddressRefused,
    Gated,
    HubBroken,
    HubUnreachable,
    InvalidName,
    NeedsToken,
    NotThere,
    RateLimited,
)

REPO = "bartowski/Tiny-GGUF"
FILES = {
    "README.md": b"# Tiny\n",
    "Tiny-Q4_K_M.gguf": b"q4" * 5000,
    "Tiny-Q8_0/Tiny-Q8_0-00001-of-00002.gguf": b"a" * 300,
    "Tiny-Q8_0/Tiny-Q8_0-00002-of-00002.gguf": b"b" * 300,
    "mmproj-Tiny f16+ü~.gguf": b"eyes" * 100,
}
GGUF = {"total": 1_234_567, "architecture": "llama", "context_length": 8192}


@pytest.fixture
def fake(tmp_path: Any) -> Iterator[FakeHub]:
    with FakeHub(tmp_path) as hub:
        yield hub


class Client:
    """Makes hubs of ours for the fake one, and closes what they use."""

    def __init__(self, fake: FakeHub) -> None:
        self.fake = fake
        self.web = Web(Policy.of((fake.url,)), user_agent="paddock/test")

    def __call__(self, token: str = "") -> Hub:
        return Hub(self.web, self.fake.url, token, pauses=(0.0, 0.0))


@pytest.fixture
async def hub(fake: FakeHub) -> AsyncIterator[Client]:
    client = Client(fake)
    yield client
    await client.web.aclose()


async def test_a_repository_is_listed_at_one_commit(fake, hub):
    fake.add_repo(REPO, FILES, gguf=GGUF)
    listed = await hub().list(REPO)
    assert (listed.id, listed.gated) == (REPO, "")
    assert (listed.context_length, listed.architecture, listed.parameters) == (
        8192,
        "llama",
        1_234_567,
    )
    by_path = {file.path: file for file in listed.files}
    assert {path: file.size for path, file in by_path.items()} == {
        path: len(data) for path, data in FILES.items()
    }
    for path, file in by_path.items():
        assert f"/resolve/{listed.commit}/" in file.url
        if path.endswith(".gguf"):
            assert file.digest is not None
            assert file.digest.hex == sha256(FILES[path]).hexdigest()
    readme = by_path["README.md"]
    assert readme.digest is None
    assert readme.git_sha1 == sha1(b"blob 7\0" + FILES["README.md"]).hexdigest()


async def test_every_file_is_where_its_address_says(fake, hub):
    fake.add_repo(REPO, FILES)
    client = hub()
    for file in (await client.list(REPO)).files:
        async with hub.web.get(file.url, headers=client.headers_for(file.url)) as answer:
            assert answer.status == 200
            assert await answer.read(1 << 20) == FILES[file.path]


async def test_the_pages_of_a_listing_are_put_together(fake, hub):
    many = {f"part-{number:03}.gguf": b"%d" % number for number in range(25)}
    fake.add_repo(REPO, many)
    fake.switch(page=4)
    assert [file.path for file in (await hub().list(REPO)).files] == list(many)


async def test_next_pages_are_asked_for_at_our_endpoint(fake, hub):
    fake.add_repo(REPO, FILES)
    fake.switch(page=2, next_origin="https://huggingface.co")
    assert len((await hub().list(REPO)).files) == len(FILES)


async def test_a_listing_that_never_ends_is_given_up(fake, hub):
    fake.add_repo(REPO, {f"{number}.gguf": b"x" for number in range(300)})
    fake.switch(page=1)
    with pytest.raises(HubBroken, match="without an end"):
        await hub().list(REPO)


async def test_a_repository_that_was_renamed_is_found(fake, hub):
    fake.add_repo("new/Name-GGUF", FILES)
    fake.switch(renamed={"old/Name-GGUF": "new/Name-GGUF"}, token="hf_good")
    listed = await hub("hf_good").list("old/Name-GGUF")
    assert listed.id == "new/Name-GGUF"
    assert all("/new/Name-GGUF/" in file.url for file in listed.files)


@pytest.mark.parametrize(
    "path",
    ["../x.gguf", "a/../../x.gguf", "/etc/x.gguf", "a//x.gguf", "a/./x", "..", "x\\..\\y", "a\nb"],
)
async def test_a_file_that_would_leave_its_folder_refuses_the_repository(fake, hub, path):
    fake.add_repo(REPO, {"good.gguf": b"x", path: b"y"})
    with pytest.raises(HubBroken, match="no repository can have"):
        await hub().list(REPO)


@pytest.mark.parametrize("lie", [-(1 << 40), 1 << 63])
async def test_sizes_must_be_believable(fake, hub, lie):
    fake.add_repo(REPO, FILES)
    fake.switch(size_lie=lie)
    with pytest.raises(HubBroken, match="no believable size"):
        await hub().list(REPO)


@pytest.mark.parametrize(
    "name", ["", "x", "a/b/c", "../b", "a/..", "a--b/c", "a/b?x", "-a/b", "ü/b"]
)
async def test_what_no_repository_is_called_is_not_asked_for(fake, hub, name):
    with pytest.raises(InvalidName):
        await hub().list(name)
    assert fake.requests() == []


# --- refusals


async def test_missing_and_private_look_alike_without_a_token(fake, hub):
    fake.add_repo("me/Private-GGUF", FILES, private=True)
    for name in ("me/Private-GGUF", "me/Missing-GGUF"):
        with pytest.raises(NeedsToken, match="or it is private") as raised:
            await hub().list(name)
        assert "HF_TOKEN" in raised.value.hint


async def test_a_token_opens_a_private_repository(fake, hub):
    fake.add_repo("me/Private-GGUF", FILES, private=True)
    fake.switch(token="hf_good")
    client = hub("hf_good")
    assert len((await client.list("me/Private-GGUF")).files) == len(FILES)
    with pytest.raises(NotThere):
        await client.list("me/Missing-GGUF")


async def test_a_wrong_token_is_told_and_not_needed_for_what_is_public(fake, hub):
    fake.add_repo(REPO, FILES)
    fake.add_repo("me/Private-GGUF", FILES, private=True)
    fake.switch(token="hf_good")
    client = hub("hf_old")
    with pytest.raises(NeedsToken, match="does not know the token"):
        await client.list("me/Private-GGUF")
    listed = await client.list(REPO)
    assert client.headers_for(listed.files[0].url) == {}


async def test_a_gated_repository_lists_its_files_and_says_that_it_is_gated(fake, hub):
    fake.add_repo(REPO, FILES, gated="manual")
    listed = await hub().list(REPO)
    assert listed.gated == "manual"
    assert len(listed.files) == len(FILES)


@pytest.mark.parametrize(
    ("status", "code", "message", "token", "error", "words"),
    [
        (401, "GatedRepo", "", False, Gated, "is gated"),
        (403, "GatedRepo", "", True, Gated, "has not been granted"),
        (401, "RepoNotFound", "", False, NeedsToken, "or it is private"),
        (401, "", "Invalid credentials in Authorization header", True, NeedsToken, "not know"),
        (403, "", "", True, NeedsToken, "may not read"),
        (403, "", "Access to this resource is disabled.", False, NotThere, "taken"),
        (404, "EntryNotFound", "", False, NotThere, "is not at"),
        (404, "RevisionNotFound", "", False, NotThere, "no such revision"),
        (404, "RepoNotFound", "", True, NotThere, "is not at"),
        (429, "", "", False, RateLimited, "fewer requests"),
        (503, "", "", False, HubUnreachable, "trouble"),
        (418, "", "", False, HubBroken, "418"),
    ],
)
def test_each_refusal_has_an_error_of_its_own(status, code, message, token, error, words):
    from paddock.acquire.hub_errors import refusal

    headers = {"X-Error-Code": code, "X-Error-Message": message}
    told = refusal(status, headers, host="h", subject="a/b", page="https://h/a/b", with_token=token)
    assert type(told) is error
    assert words in told.message


async def test_a_rate_limit_tells_when_to_come_back(fake, hub):
    fake.add_repo(REPO, FILES)
    fake.switch(limited=[47, 1], html=True)
    with pytest.raises(RateLimited) as raised:
        await hub().list(REPO)
    assert 47 <= raised.value.retry_after <= 49
    assert "<" not in raised.value.message + raised.value.hint
    assert len((await hub().list(REPO)).files) == len(FILES)


async def test_passing_trouble_is_asked_again(fake, hub):
    fake.add_repo(REPO, FILES)
    fake.switch(fail=[["/api/models", 503, 2]], html=True)
    assert len((await hub().list(REPO)).files) == len(FILES)
    fake.switch(fail=[["/api/models", 502, 3]])
    with pytest.raises(HubUnreachable, match="trouble of its own"):
        await hub().list(REPO)


async def test_nobody_there_is_told(fake, hub):
    fake.stop()
    with pytest.raises(HubUnreachable, match=r"127\.0\.0\.1 cannot be reached"):
        await hub().list(REPO)


# --- the token's way


async def test_the_token_stays_at_the_hub(fake, hub):
    fake.add_repo(REPO, FILES, gated="auto")
    fake.switch(token="hf_good", page=2, next_origin=fake.content_url)
    client = hub("hf_good")
    file = next(one for one in (await client.list(REPO)).files if one.digest)
    async with hub.web.get(file.url, headers=client.headers_for(file.url)) as answer:
        assert await answer.read(1 << 20) == FILES[file.path]
        signed = answer.url
    async with hub.web.get(signed, headers={"Range": "bytes=0-0"}) as answer:
        assert answer.status == 206
    assert client.headers_for(signed) == {}
    content = fake.requests("content")
    assert len(content) == 2
    assert not any("authorization" in asked["headers"] for asked in content)
    assert all("authorization" in asked["headers"] for asked in fake.requests("hub"))


async def test_files_of_a_gated_repository_need_the_token(fake, hub):
    fake.add_repo(REPO, FILES, gated="auto")
    fake.switch(token="hf_good")
    file = next(one for one in (await hub().list(REPO)).files if one.digest)
    async with hub.web.get(file.url) as answer:
        assert (answer.status, answer.headers["X-Error-Code"]) == (401, "GatedRepo")


async def test_another_endpoint_is_not_asked_unless_it_is_listed(fake, hub):
    with pytest.raises(AddressRefused, match="not one of the allowed"):
        await Hub(hub.web, "https://huggingface.co", pauses=()).list(REPO)


# --- finding


async def test_a_search_tells_what_the_hub_knows(fake, hub):
    fake.add_repo(REPO, FILES, downloads=10, likes=2, gguf=GGUF, gated="auto")
    fake.add_repo("unsloth/Tiny-Instruct-GGUF", {"x.gguf": b"x"}, downloads=500)
    fake.add_repo("other/Large-GGUF", {"x.gguf": b"x"}, downloads=900)
    found = await hub().search("tiny", sort="downloads")
    assert [one.id for one in found] == ["unsloth/Tiny-Instruct-GGUF", REPO]
    tiny = found[1]
    assert (tiny.downloads, tiny.likes, tiny.gated) == (10, 2, "auto")
    assert (tiny.parameters, tiny.context_length, tiny.architecture) == (1_234_567, 8192, "llama")
    assert set(tiny.files) == set(FILES)
    asked = fake.requests("hub")[-1]["path"]
    assert "filter=gguf" in asked
    assert "sort=downloads" in asked
    assert "expand=gguf" in asked
    assert len(await hub().search("", limit=1)) == 1


async def test_hostile_results_of_a_search_are_left_out(fake, hub):
    fake.add_repo("../..", {"x.gguf": b"x"})
    fake.add_repo("a/b\x1b[2J", {"x.gguf": b"x"})
    fake.add_repo("a/good", {"../x.gguf": b"x", "y.gguf": b"y"}, gguf=["no", "object"])
    found = await hub().search("")
    assert [(one.id, one.files) for one in found] == [("a/good", ("y.gguf",))]


# --- the oracle

ORACLE = """
import json, sys
from huggingface_hub import HfApi, snapshot_download
api = HfApi()
about = api.model_info(sys.argv[1], files_metadata=True)
files = [
    [one.path, one.size, one.lfs.sha256 if one.lfs else one.blob_id]
    for one in api.list_repo_tree(sys.argv[1], recursive=True)
]
folder = snapshot_download(sys.argv[1], allow_patterns=["*Q4_K_M*", "README.md"])
print(json.dumps({"sha": about.sha, "files": files, "folder": folder}))
"""


async def test_it_lists_what_huggingface_hub_lists(fake, hub, tmp_path):
    fake.add_repo(REPO, FILES)
    fake.switch(page=2)
    told = subprocess.run(
        [sys.executable, "-c", ORACLE, REPO],
        env=os.environ
        | {"HF_ENDPOINT": fake.url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(told.stdout.splitlines()[-1])
    ours = await hub().list(REPO)
    assert ours.commit == theirs["sha"]
    assert [
        [file.path, file.size, file.digest.hex if file.digest else file.git_sha1]
        for file in ours.files
    ] == theirs["files"]
    assert os.path.basename(theirs["folder"]) == ours.commit
