from pathlib import Path

import pytest

from paddock.config.paths import default_models_dir, default_state_dir, find_config, home


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"HOME": "/h"}, "/h/.local/state/paddock"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/s"}, "/s/paddock"),
        ({"HOME": "/h", "XDG_STATE_HOME": "relative"}, "/h/.local/state/paddock"),
        ({"HOME": "/h", "STATE_DIRECTORY": "/var/lib/paddock"}, "/var/lib/paddock"),
        ({"HOME": "/h", "STATE_DIRECTORY": "/a:/b"}, "/a"),
        ({"HOME": "/h", "STATE_DIRECTORY": ""}, "/h/.local/state/paddock"),
    ],
)
def test_state_folder(env, expected):
    assert default_state_dir(env) == Path(expected)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"HOME": "/h"}, "/h/.local/share/paddock/models"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/d"}, "/d/paddock/models"),
    ],
)
def test_models_folder(env, expected):
    assert default_models_dir(env) == Path(expected)


@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_home_the_users_entry_is_used(env):
    assert home(env).is_absolute()


def test_config_is_looked_for_in_order(tmp_path):
    system = tmp_path / "etc.yaml"
    user = tmp_path / "home" / ".config" / "paddock" / "config.yaml"
    env = {"HOME": str(tmp_path / "home")}
    assert find_config(env, system) is None
    system.touch()
    assert find_config(env, system) == system
    user.parent.mkdir(parents=True)
    user.touch()
    assert find_config(env, system) == user
    assert find_config(env | {"XDG_CONFIG_HOME": "/none"}, system) == system
    assert find_config(env | {"PADDOCK_CONFIG": "/named.yaml"}, system) == Path("/named.yaml")


def test_a_dangling_link_is_found_so_that_it_is_told(tmp_path):
    link = tmp_path / "etc.yaml"
    link.symlink_to(tmp_path / "gone.yaml")
    assert find_config({"HOME": str(tmp_path)}, link) == link
