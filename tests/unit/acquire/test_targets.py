"""Under which names the files of repositories land."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.acquire.remote import RemoteFile
from paddock.acquire.targets import names_of, with_publisher
from paddock.errors import AcquireError


def named(*paths, repository="maker/tiny-GGUF"):
    files = [RemoteFile(path, 1, None, "") for path in paths]
    return list(names_of(files, repository).values())


def test_files_land_flat():
    assert named("Q4/tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf") == ["tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"]


def test_equal_names_of_two_folders_keep_their_folders():
    assert named("Q4/tiny.gguf", "Q8/tiny.gguf") == ["Q4-tiny.gguf", "Q8-tiny.gguf"]


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (("tiny-7b-it-Q4_K_M.gguf", "mmproj-F16.gguf"), "mmproj-tiny-7b-it-F16.gguf"),
        (("tiny-7b-it-Q4_K_M.gguf", "mmproj-model-f16.gguf"), "mmproj-tiny-7b-it-model-f16.gguf"),
        (("tiny-Q4_K_M.gguf", "mmproj-tiny-f16.gguf"), "mmproj-tiny-f16.gguf"),
        (("mmproj-F16.gguf",), "mmproj-tiny-F16.gguf"),
    ],
)
def test_a_projector_is_called_after_its_model(paths, name):
    assert named(*paths)[-1] == name


def test_the_publisher_stands_before_a_name_that_is_taken():
    assert with_publisher("tiny-Q4_K_M.gguf", "maker/x") == "maker-tiny-Q4_K_M.gguf"
    assert with_publisher("mmproj-tiny-F16.gguf", "maker/x") == "mmproj-maker-tiny-F16.gguf"


@pytest.mark.parametrize(
    "path", [".hidden.gguf", "-flag.gguf", "a\nb.gguf", "x" * 240 + ".gguf", ""]
)
def test_names_that_no_file_may_have_here(path):
    with pytest.raises(AcquireError, match="may be called so"):
        named(path)


@given(st.lists(st.text(max_size=40), max_size=4, unique=True))
def test_no_name_leaves_the_folder(paths):
    try:
        names = named(*paths)
    except AcquireError:
        return
    assert all("/" not in name and name not in {"", ".", ".."} for name in names)
