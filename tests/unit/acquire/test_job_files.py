"""Pulls on disk."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.acquire.job_files import Job, JobFiles
from paddock.acquire.request import PullRequest

REQUEST = PullRequest("user/repo", quant="Q4_K_M", all=True, files=("*.gguf",), insecure=True)


def test_records_come_back_in_their_order(tmp_path):
    files = JobFiles(tmp_path / "pulls")
    assert files.load() == []
    jobs = [Job("p2", REQUEST, "c" * 40), Job("p10", PullRequest("x"), lasting=False)]
    for job in reversed(jobs):
        files.write(job)
    assert files.load() == jobs
    files.remove("p2")
    files.remove("p2")
    assert files.load() == jobs[1:]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"null", b'{"request": 1}', b"[" * 70_000]
)
def test_what_cannot_be_read_is_passed_by(tmp_path, content, caplog):
    files = JobFiles(tmp_path)
    files.write(Job("p1", REQUEST))
    (tmp_path / "p3.json").write_bytes(content)
    (tmp_path / "pevil.json").write_bytes(json.dumps({}).encode())
    assert [job.id for job in files.load()] == ["p1"]
    assert "is not used" in caplog.text


@given(st.text(max_size=50), st.lists(st.text(max_size=10), max_size=3), st.booleans())
def test_every_request_comes_back(tmp_path_factory, name, patterns, flag):
    files = JobFiles(tmp_path_factory.mktemp("jobs"))
    job = Job("p1", PullRequest(name, files=tuple(patterns), insecure=flag, ollama_first=flag))
    try:
        files.write(job)
    except UnicodeEncodeError:
        return
    assert files.load() == [job]
