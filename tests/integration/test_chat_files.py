"""Files at the chat's door: taken in, judged by their bytes, given back harmless."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.chat_house import ChatHouse, Person, chat_house
from tests.fakes.pdfs import bomb, circle, locked, pdf

from paddock.chat.calls import ChatRoute
from paddock.chat.files import FileEndpoints
from paddock.chat.leaving import UNSENT_MS, Leaving
from paddock.chat.pdf import PdfReader
from paddock.chat.sniff import read_text
from paddock.chat.vault import Vault
from paddock.errors import InvalidRequest
from paddock.storage import chats, files, messages
from paddock.storage.chats import Chat
from paddock.storage.files import File
from paddock.storage.ids import new_id, now_ms
from paddock.storage.messages import Message

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
LARGEST, TOTAL = 300_000, 1_000_000


def routes(house: ChatHouse) -> tuple[ChatRoute, ...]:
    vault = Vault(house.state / "chat" / "files")
    limits: dict[str, Any] = {"largest": lambda: LARGEST, "total": lambda: TOTAL}
    return FileEndpoints(store=house.store, vault=vault, **limits).routes()


@pytest.fixture
async def house(tmp_path: Path, no_task_left_behind: None) -> AsyncIterator[ChatHouse]:
    async with chat_house(tmp_path, routes) as house:
        yield house


@pytest.fixture
async def ann(house: ChatHouse) -> AsyncIterator[Person]:
    async with await house.as_user("ann") as person:
        yield person


async def sent(person: Person, data: bytes, name: str = "x", **headers: str) -> tuple[int, Any]:
    return await person.ask("POST", "/api/files", params={"name": name}, data=data, headers=headers)


def on_disk(house: ChatHouse) -> list[Path]:
    return sorted((house.state / "chat" / "files").glob("*"))


async def text_of(house: ChatHouse, person: Person, file_id: str) -> str | None:
    assert person.user is not None
    user = person.user.id
    file = await house.store.read(lambda c: files.get(c, user, file_id))
    assert file is not None
    return file.text


@pytest.mark.parametrize(
    ("data", "kind", "media_type"),
    [
        (PNG, "image", "image/png"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 20, "image", "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image", "image/webp"),
        (b"GIF89a\1\0\1\0", "image", "image/gif"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "text", "text/plain"),
        (b"<!doctype html><script>alert(1)</script>", "text", "text/plain"),
        (b"print('hi')", "text", "text/plain"),
        ("grün\r\nblau".encode("utf-16"), "text", "text/plain"),
        ("grün".encode("latin-1"), "text", "text/plain"),
        (pdf("words"), "pdf", "application/pdf"),
    ],
)
async def test_a_file_is_what_its_bytes_say(
    house: ChatHouse, ann: Person, data: bytes, kind: str, media_type: str
) -> None:
    status, told = await sent(ann, data, "page.html", **{"Content-Type": "text/html"})
    assert status == 201
    assert (told["kind"], told["media_type"], told["size"]) == (kind, media_type, len(data))
    assert told["tokens"] > 0
    async with ann.http.get(f"/api/files/{told['id']}") as answer:
        assert await answer.read() == data
        headers = answer.headers
    shown = {"image": media_type, "text": "text/plain"}.get(kind, "application/octet-stream")
    assert headers["Content-Type"] == shown
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Cache-Control"].startswith("private")
    how = "inline" if kind == "image" else "attachment"
    assert headers["Content-Disposition"] == f"{how}; filename*=UTF-8''page.html"
    assert [path.stat().st_mode & 0o777 for path in on_disk(house)] == [0o600]
    assert (await ann.ask("DELETE", f"/api/files/{told['id']}"))[0] == 204
    assert (await ann.ask("GET", f"/api/files/{told['id']}"))[0] == 404
    assert on_disk(house) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x7fELF\2\1\1\0\0\0", "neither a text"),
        (b"\0" * 100, "neither a text"),
        (b"PK\3\4\x14\0\0\0", "neither a text"),
        (b"\xff\xfeh", "neither a text"),
        (pdf(""), "its pages are pictures"),
        (locked(pdf("words")), "password"),
        (b"%PDF-1.7 and then nothing", "cannot be read"),
        (circle(), "cannot be read"),
    ],
)
async def test_what_is_no_use_is_refused(
    house: ChatHouse, ann: Person, data: bytes, words: str
) -> None:
    status, told = await sent(ann, data)
    assert status == 400
    assert words in told["error"]["message"]
    assert on_disk(house) == []


async def test_the_pages_of_a_pdf_are_marked(house: ChatHouse, ann: Person) -> None:
    _, told = await sent(ann, pdf("One page", "and another"))
    text = await text_of(house, ann, told["id"])
    assert text == "[page 1]\nOne page\n\n[page 2]\nand another"


async def test_a_pdf_that_only_its_owner_may_change_is_read(ann: Person) -> None:
    assert (await sent(ann, locked(pdf("words"), password="")))[0] == 201


async def test_a_pdf_that_is_a_bomb_takes_no_more_than_its_reader_may(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pdf"
    path.write_bytes(await asyncio.to_thread(bomb))
    with pytest.raises(InvalidRequest, match="PDF"):
        await PdfReader().text(path)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\x.txt", "x.txt"),
        ("", "file"),
        ("a\r\nSet-Cookie: x=y", "a Set-Cookie: x=y"),
        ("\u202egnp.exe", "gnp.exe"),
        ("x" * 500, "x" * 200),
        ('"><img src=x onerror=alert(1)>', '"><img src=x onerror=alert(1)>'),
    ],
)
async def test_names(ann: Person, name: str, kept: str) -> None:
    _, told = await sent(ann, b"text", name)
    assert told["name"] == kept
    async with ann.http.get(f"/api/files/{told['id']}") as answer:
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers


async def test_too_large_and_too_many(house: ChatHouse, ann: Person) -> None:
    status, told = await sent(ann, b"x" * (LARGEST + 1))
    assert (status, told["error"]["code"]) == (413, "request_too_large")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"y" * 65536

    async with ann.http.post("/api/files", data=endless()) as answer:
        assert answer.status == 413
    statuses = [(await sent(ann, b"z" * LARGEST))[0] for _ in range(4)]
    assert statuses == [201, 201, 201, 413]
    assert len(on_disk(house)) == 3


async def test_files_of_others_are_not_there(house: ChatHouse, ann: Person) -> None:
    _, told = await sent(ann, b"mine")
    async with await house.as_user("bob") as bob:
        for method in ("GET", "DELETE", "HEAD"):
            assert (await bob.ask(method, f"/api/files/{told['id']}"))[0] == 404
    for odd in ("..%2f..%2fchat.db", "none", "%00"):
        assert (await ann.ask("GET", f"/api/files/{odd}"))[0] == 404


async def test_files_go_with_their_chats_and_those_nobody_sent_after_a_day(
    house: ChatHouse, ann: Person
) -> None:
    assert ann.user is not None
    user, now = ann.user.id, now_ms()
    ids = [(await sent(ann, f"file {number}".encode()))[1]["id"] for number in range(4)]
    only_one, both, kept, unsent = ids

    def fill(connection: Any) -> None:
        for name, attached in (("one", (only_one, both)), ("two", (both, kept))):
            chats.add(connection, Chat(name, user, now, now))
            one = Message(new_id(), user, name, None, "user", "look", now, files=attached)
            messages.add(connection, one)

    async def stop_answers(user_id: str, chat_ids: Iterable[str]) -> None:
        """Nothing is being written."""

    await house.store.write(fill)
    vault = Vault(house.state / "chat" / "files")
    leaving = Leaving(store=house.store, vault=vault, feeds=house.feeds, stop_answers=stop_answers)
    await leaving.remove(user, ["one"])
    assert {path.name for path in on_disk(house)} == {both, kept, unsent}
    await leaving.sweep()
    assert {path.name for path in on_disk(house)} == {both, kept, unsent}

    long_ago = now - UNSENT_MS - 1000
    stray = house.state / "chat" / "files" / ".arriving-x"
    stray.touch()
    os.utime(stray, (long_ago / 1000, long_ago / 1000))
    old = File(new_id(), user, "old", "text", "text/plain", 1, 1, long_ago, text="x")
    vault.path(old.id).write_bytes(b"x")
    await house.store.write(lambda c: files.add(c, old))
    await leaving.sweep()
    assert {path.name for path in on_disk(house)} == {both, kept, unsent}
    await leaving.remove(user, ["two"])
    assert {path.name for path in on_disk(house)} == {unsent}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"\xef\xbb\xbfmarked", "marked"),
        (b"\xfe\xff\x00h\x00i", "hi"),
        (b"\x1b[31mred\x1b[0m\tand\ttabs", "\x1b[31mred\x1b[0m\tand\ttabs"),
        (b"\xe9t\xe9", "été"),
        (b"nul\0", None),
        (b"\x07bell", None),
    ],
)
def test_texts(data: bytes, text: str | None) -> None:
    assert read_text(data) == text
