"""What a newcomer does: one model, one question, streamed and whole."""

from tests.fakes.house import House


def test_a_model_in_the_folder_answers_a_streamed_chat(house: House) -> None:
    house.add("llama-a")
    house.start()

    events = house.chat("llama-a", stream=True).events()

    assert events[-1] == "[DONE]"
    assert len(events) > 3


def test_a_model_in_the_folder_answers_a_whole_chat(house: House) -> None:
    house.add("llama-a")
    house.start()

    answer = house.chat("llama-a")

    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"].startswith("t0 t1")
    assert answer.json()["model"] == "llama-a"


def test_stopping_the_daemon_ends_with_success(house: House) -> None:
    house.add("llama-a")
    house.start()
    house.chat("llama-a")

    assert house.stop() == 0
