import pytest

from paddock.cli.attachments import BadAttachment, attached

FILES = {
    "a.png": (b"\x89PNG\r\n\x1a\n1", "image"),
    "b c.JPG": (b"\xff\xd8\xff2", "image"),
    "d.webp": (b"RIFF1234WEBP", "image"),
    "e.wav": (b"RIFF1234WAVE", "audio"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, (data, _) in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "no.png").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("prompt", "text", "names"),
    [
        ("what is {}/a.png?", "what is ?", ["a.png"]),
        ("./a.png and ~/d.webp", "and", ["a.png", "d.webp"]),
        (r"see ./b\ c.JPG.", "see .", ["b c.JPG"]),
        ("'./b c.JPG' \"{}/e.wav\" hear", "hear", ["b c.JPG", "e.wav"]),
        ("a.png is a name", "a.png is a name", []),
        ("./missing.png stays", "./missing.png stays", []),
        ("x./a.png stays", "x./a.png stays", []),
    ],
)
def test_paths_in_a_prompt(folder, prompt, text, names):
    told, files = attached(prompt.format(folder))
    assert told == text
    assert [file.kind for file in files] == [FILES[name][1] for name in names]
    assert [file.data for file in files] == [FILES[name][0] for name in names]


def test_a_file_that_is_not_what_its_name_says(folder):
    with pytest.raises(BadAttachment, match=r"no\.png"):
        attached("./no.png")


def test_a_folder_with_such_a_name_is_text(folder):
    (folder / "dir.png").mkdir()
    assert attached("./dir.png") == ("./dir.png", [])
