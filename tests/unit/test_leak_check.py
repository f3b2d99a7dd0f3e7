import shutil
import subprocess
import sys
from pathlib import Path

LEAKY = """
import asyncio, os, subprocess
import pytest
from paddock import tasks

kept = []

@pytest.fixture
async def owned():
    task = tasks.spawn(asyncio.sleep(100), name="owned")
    yield
    await tasks.cancel_and_wait([task])

async def test_clean(owned):
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()

async def test_task():
    tasks.spawn(asyncio.sleep(100), name="sleeper")

def test_descriptor():
    os.open("/etc/passwd", os.O_RDONLY)

def test_child():
    kept.append(subprocess.Popen(["sleep", "10"]))

def test_end():
    kept[0].kill()
    kept[0].wait()
"""


def test_the_check_of_conftest_finds_what_a_test_leaves(tmp_path):
    shutil.copy(Path(__file__).parent.parent / "conftest.py", tmp_path)
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    options = ["-q", "-p", "no:randomly", "-o", "asyncio_mode=auto", "--rootdir", str(tmp_path)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path / "test_leaky.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "5 passed, 3 errors" in run.stdout, run.stdout
    assert "left tasks behind: sleeper" in run.stdout
    assert "(/etc/passwd)" in run.stdout
    assert "(sleeping): sleep 10" in run.stdout
