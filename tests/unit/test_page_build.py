"""What is promised of the chat's page as it is built: light, packed, and nothing from elsewhere."""

import gzip
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
WEB = ROOT / "web"
BUILT = ROOT / "src" / "paddock" / "chat" / "static"
FIRST_SCRIPTS = 80 << 10
"""The most bytes of JavaScript, packed, before anything is fetched lazily."""

needs_page = pytest.mark.skipif(
    not (BUILT / "index.html").is_file(), reason="the page is not built: type `make page`"
)

STATIC_IMPORT = re.compile(r'(?:\bfrom|(?<![\w$.])import)\s*"(\./[^"]+)"')
FETCHED = re.compile(
    r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//"""
    r"""|url\(\s*["']?(?:https?:)?//"""
    r"""|(?:fetch|import|EventSource|WebSocket|Worker|importScripts)\(\s*["'`](?:https?:|wss?:)?//"""
    r"""|@import\s*["'](?:https?:)?//""",
)


def packed(file):
    return (file.parent / f"{file.name}.gz").read_bytes()


def first_scripts():
    """The scripts that the page names, and those that they cannot begin without."""
    index = (BUILT / "index.html").read_text()
    waiting = [BUILT / name for name in re.findall(r'(?:src|href)="/(assets/[^"]+\.js)"', index)]
    found = set()
    while waiting:
        script = waiting.pop()
        if script in found:
            continue
        found.add(script)
        waiting += [script.parent / name for name in STATIC_IMPORT.findall(script.read_text())]
    return found


@needs_page
def test_the_first_scripts_are_light():
    scripts = first_scripts()
    assert any(script.name.startswith("main-") for script in scripts)
    sizes = {script.name: len(gzip.compress(script.read_bytes())) for script in scripts}
    assert sum(sizes.values()) <= FIRST_SCRIPTS, sizes


@needs_page
def test_the_page_has_no_script_or_style_within():
    index = (BUILT / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", index) == []
    assert "<style" not in index
    assert re.findall(r"\s(?:on\w+|style)=", index) == []


@needs_page
def test_nothing_is_fetched_from_elsewhere():
    texts = [file for file in BUILT.rglob("*") if file.suffix in {".html", ".js", ".css"}]
    assert texts
    hits = {file.name: FETCHED.findall(file.read_text()) for file in texts}
    assert {name: found for name, found in hits.items() if found} == {}


@needs_page
def test_text_is_packed_beside_what_it_is_of():
    scripts = [*(BUILT / "assets").glob("*.js"), BUILT / "index.html"]
    large = [file for file in scripts if file.stat().st_size >= 1024]
    assert large
    for file in large:
        assert gzip.decompress(packed(file)) == file.read_bytes()


@needs_page
def test_sources_and_tests_stay_at_home():
    names = [file.name for file in BUILT.rglob("*") if file.is_file()]
    assert [name for name in names if name.endswith((".map", ".ts", ".svelte"))] == []


@needs_page
def test_the_service_worker_keeps_files_that_are_there():
    found = re.search(r'["\'`](/ /assets/[^"\'`]+)["\'`]', (BUILT / "sw.js").read_text())
    assert found is not None
    shell = found[1].split(" ")
    assert {f"/assets/{script.name}" for script in first_scripts()} <= set(shell)
    assert [path for path in shell if not (BUILT / path[1:]).exists()] == []


@pytest.mark.parametrize("size", [192, 512])
def test_the_manifest_has_icons_that_are_there(size):
    manifest = json.loads((WEB / "public" / "manifest.webmanifest").read_text())
    icons = [icon for icon in manifest["icons"] if icon["sizes"] == f"{size}x{size}"]
    assert icons
    for icon in icons:
        png = (WEB / "public" / icon["src"][1:]).read_bytes()
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert int.from_bytes(png[16:20]) == size == int.from_bytes(png[20:24])


def test_the_lock_names_no_host_to_fetch_from():
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if "integrity" not in package] == []
