import os
import threading
import time

import pytest

from paddock.engine.logfile import WAITING_BYTES, LogFiles, file_name


@pytest.fixture
def logs(tmp_path):
    logs = LogFiles(tmp_path / "logs", file_bytes=1000)
    logs.start()
    yield logs
    logs.close()


def test_text_is_appended_in_order(logs, tmp_path):
    for number in range(50):
        logs.write("m.log", f"{number}\n")
    logs.close()
    text = (tmp_path / "logs" / "m.log").read_text()
    assert text.splitlines() == [str(number) for number in range(50)]


def test_old_parts_are_kept_and_the_oldest_goes(tmp_path):
    for number in range(5):
        part = LogFiles(tmp_path, file_bytes=1000)
        part.start()
        part.write("m.log", f"{number}" * 600 + "\n")
        part.close()
    kept = {path.name: path.read_text()[0] for path in tmp_path.iterdir()}
    assert kept == {"m.log": "4", "m.log.1": "3", "m.log.2": "2"}


def test_only_the_owner_can_read_it(logs, tmp_path):
    logs.write("m.log", "x\n")
    logs.close()
    assert (tmp_path / "logs" / "m.log").stat().st_mode & 0o777 == 0o600


def test_a_link_in_its_place_is_not_followed(logs, tmp_path):
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "m.log").symlink_to(target)
    logs.write("m.log", "x\n")
    logs.close()
    assert target.read_text() == "precious"


def test_a_disk_that_takes_nothing_is_told_once(tmp_path, caplog):
    (tmp_path / "m.log").mkdir()
    logs = LogFiles(tmp_path)
    logs.start()
    logs.write("m.log", "first\n")
    deadline = time.monotonic() + 30
    while not caplog.messages and time.monotonic() < deadline:
        time.sleep(0.001)
    logs.write("m.log", "second\n")
    logs.close()
    (told,) = caplog.messages
    assert told.startswith("cannot write the log m.log: ")


def test_a_disk_that_hangs_drops_text_and_never_blocks(tmp_path):
    fifo = tmp_path / "m.log"
    os.mkfifo(fifo)
    logs = LogFiles(tmp_path)
    logs.start()
    done = threading.Event()

    def flood():
        for _ in range(2 * WAITING_BYTES // 100_000):
            logs.write("m.log", "x" * 100_000)
        done.set()

    threading.Thread(target=flood, daemon=True).start()
    assert done.wait(30)
    assert logs.dropped > 0
    fifo_end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fifo.unlink()
    os.close(fifo_end)
    logs.close()


def test_writing_after_the_end_is_harmless(logs):
    logs.close()
    logs.close()
    logs.write("m.log", "late")
    assert logs.dropped == 1


@pytest.mark.parametrize(
    ("model", "name"),
    [("gemma-3-4b_q4.0", "gemma-3-4b_q4.0.log"), ("llama3.2:3b", "llama3.2_3b-"), ("", ".log")],
)
def test_plain_ids_name_their_file(model, name):
    assert file_name(model).startswith(name)


def test_hostile_ids_stay_in_the_folder_and_apart():
    ids = ["../../etc/passwd", "a/b", "a:b", "a b", ".hidden", "x" * 300, "x" * 301, "a\nb", "..\0"]
    names = [file_name(model) for model in ids]
    assert len(set(names)) == len(ids)
    assert all("/" not in name and "\0" not in name and len(name) < 150 for name in names)
    assert not any(name.startswith(".") for name in names)
