"""The commands that bring models in and make room, as programs with a fake daemon."""

from __future__ import annotations

import json

import pytest

PULLS = "/api/paddock/pulls"


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


# --- pull


def test_pull_tells_how_far_it_is_in_plain_lines(puller):
    ended = puller.run("pull", "user/repo")

    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.splitlines() == [
        "Q4_K_M: the best that fits",
        "repo-q4_k_m.gguf: 100% 4.0 GB",
        "success",
        "in the library as repo:latest",
    ]
    assert puller.asked(PULLS) == [{"name": "user/repo"}]


def test_pull_draws_bars_on_a_terminal(puller):
    with puller.terminal("pull", "far:1b", columns=70) as it:
        assert it.end() == 0

    assert "repo-q4_k_m.gguf: 100% ▕" in it.said
    assert "in the library as" in it.said


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        (("llama3.2:3b",), {"name": "llama3.2:3b"}),
        (("user/repo", "Q8_0"), {"name": "user/repo", "quant": "Q8_0"}),
        (("user/repo", "--all"), {"name": "user/repo", "all": True}),
        (
            ("user/repo", "--files", "*.gguf", "--files", "a*"),
            {"name": "user/repo", "files": ["*.gguf", "a*"]},
        ),
        (("h/n/m:t", "--insecure"), {"name": "h/n/m:t", "insecure": True}),
    ],
)
def test_what_is_said_is_asked_for(puller, words, wish):
    assert puller.run("pull", *words).returncode == 0
    assert puller.asked(PULLS) == [wish]


def test_one_way_to_choose_is_enough(puller):
    ended = puller.run("pull", "user/repo", "Q8_0", "--all")

    assert ended.returncode == 2
    assert "one of QUANT, --all and --files" in ended.stderr


def test_a_dry_run_shows_the_plan(puller):
    ended = puller.run("pull", "user/repo", "--dry-run")

    assert lines(ended.stdout) == [
        "FILE SIZE WHERE",
        "repo-q4_k_m.gguf 4.0 GB /m/repo-q4_k_m.gguf",
    ]
    assert lines(ended.stderr) == [
        "Q4_K_M: the best that fits",
        "4.0 GB of 4.0 GB to download; 40 GB are free, 36 GB afterwards",
    ]
    assert puller.asked(PULLS) == [{"name": "user/repo", "dry_run": True}]
    as_json = puller.run("pull", "user/repo", "--dry-run", "--json")
    assert json.loads(as_json.stdout)["fetch"] == 4_000_000_000


def test_json_is_the_last_state(puller):
    told = json.loads(puller.run("pull", "far:1b", "--json").stdout)

    assert (told["state"], told["models"]) == ("done", ["far:1b"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("far/wrong", "the bytes are wrong\n  try again\n"),
        ("near", "no hub knows it\n  search\n"),
        ("far/cut", "goes on with the pull when it is back\n  `paddock pulls --follow p1` shows"),
    ],
)
def test_a_pull_that_does_not_end_well_is_an_error(puller, name, told):
    ended = puller.run("pull", name)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert told in ended.stderr


# --- choosing


def test_a_person_chooses_a_quantization(puller):
    with puller.terminal("pull", "user/repo") as it:
        it.until("the usual choice")
        it.until("Enter takes it")
        it.type("\x1b[A")
        it.until("\x1b[7m> Q8_0")
        it.type("\r")
        assert it.end() == 0

    assert puller.asked(PULLS) == [{"name": "user/repo", "quant": "Q8_0"}]


def test_the_best_is_pointed_at_and_enter_takes_it(puller):
    with puller.terminal("pull", "user/repo") as it:
        it.until("\x1b[7m> Q4_K_M")
        it.type("\r")
        assert it.end() == 0

    assert puller.asked(PULLS) == [{"name": "user/repo", "quant": "Q4_K_M"}]


def test_typing_narrows_the_rows(puller):
    with puller.terminal("pull", "user/repo") as it:
        it.until("Enter takes it")
        it.type("nope")
        it.until("nothing has that in it")
        it.type("\x15resort")
        it.until("\x1b[7m> Q2_K")
        it.type("\n")
        assert it.end() == 0

    assert puller.asked(PULLS) == [{"name": "user/repo", "quant": "Q2_K"}]


def test_of_several_models_in_one_quantization_the_file_is_asked_for(puller):
    with puller.terminal("pull", "hf.co/user/two", columns=100) as it:
        it.until("> repo")
        it.type("\x1bOB")
        it.until("> \ufffdsmall")
        it.type("\r")
        assert it.end() == 0

    assert puller.asked(PULLS) == [{"name": "user/two/small/s-q4_k_m.gguf"}]


@pytest.mark.parametrize(("key", "code"), [("\x1b", 1), ("\x03", 130)])
def test_who_leaves_gets_nothing(puller, key, code):
    with puller.terminal("pull", "user/repo") as it:
        it.until("Enter takes it")
        it.type(key)
        assert it.end() == code

    assert it.said.rstrip().endswith("\x1b[?25h") or "Aborted" in it.said
    assert puller.asked(PULLS) == []


def test_a_name_that_is_no_repository_is_left_to_the_pull(puller):
    with puller.terminal("pull", "ns/model") as it:
        assert it.end() == 0

    assert puller.asked(PULLS) == [{"name": "ns/model"}]


# --- leaving, and coming back


def test_who_leaves_is_told_how_to_come_back_and_the_pull_goes_on(puller):
    with puller.terminal("pull", "far/slow:1") as it:
        it.until("50%")
        it.type("\x03")
        it.until("`paddock pulls --follow p1` shows it")
        assert it.end() == 130
    shown = puller.run("pulls")
    puller.go()
    ended = puller.run("pulls", "--follow", "p1")

    assert lines(shown.stdout)[1] == "p1 far/slow:1 pulling 50% 4.0 GB 50 MB/s 1m 15s"
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.endswith("success\nin the library as slow:1\n")


def test_a_pull_without_waiting_prints_its_id(puller):
    ended = puller.run("pull", "far/slow", "--detach")

    assert (ended.returncode, ended.stdout) == (0, "p1\n")
    assert "pulls --follow p1" in ended.stderr


def test_a_cancelled_pull_is_told_to_who_follows_it(puller):
    with puller.terminal("pull", "far/slow:1", columns=120) as it:
        it.until("50%")
        cancelled = puller.run("pulls", "cancel", "p1")
        assert it.end() == 1

    assert cancelled.returncode == 0
    assert cancelled.stderr == "the pull of far/slow:1 is cancelled\n"
    assert "paddock: far/slow:1: cancelled" in it.said


def test_pulls_of_nobody(puller):
    ended = puller.run("pulls")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "nothing is being pulled\n")
    assert json.loads(puller.run("pulls", "--json").stdout) == {"pulls": []}
    assert "no such pull" in puller.run("pulls", "cancel", "x").stderr
    assert "no such pull" in puller.run("pulls", "--follow", "../x").stderr


def test_a_shell_completes_ids_of_pulls_that_are_under_way(puller):
    puller.run("pull", "far:1b")
    puller.run("pull", "far/slow", "--detach")
    line = "paddock pulls cancel p"
    env = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_PADDOCK_COMPLETE": "bash_complete"}

    assert puller.run(**env).stdout == "plain,p2\n"


def test_run_pulls_what_is_missing_and_uses_the_name_it_got(puller):
    ended = puller.run("run", "user/repo", "hi")

    assert (ended.returncode, ended.stdout) == (0, "w0 w1 w2 \n")
    assert puller.asked("/api/generate")[0]["model"] == "repo:latest"


# --- finding


def test_quants_shows_what_a_repository_holds(puller):
    ended = puller.run("quants", "user/repo")

    assert lines(ended.stdout) == [
        "QUANT SIZE QUALITY FITS CONTEXT",
        "Q8_0 8.0 GB as good as the original no -",
        "Q4_K_M 4.0 GB the usual choice 1 GPU 8192 on GPU, 32768 with RAM best here",
        "Q2_K 2.0 GB last resort ~1 GPU ~32768 on GPU",
    ]
    assert ended.stderr == "best here\n"
    assert len(json.loads(puller.run("quants", "user/repo", "--json").stdout)["rows"]) == 3


def test_search_prints_names_to_pull(puller):
    ended = puller.run("search", "llama", "3", "--sort", "likes", "--limit", "5")

    assert lines(ended.stdout)[1] == (
        "user/re\ufffdpo 8.0B 120K 300 Q8_0 8.0 GB, Q4_K_M 4.0 GB, Q2_K 2.0 GB 1 GPU "
        "well known, needs a licence and a token"
    )
    assert puller.asked("/api/paddock/search") == [{"q": "llama 3", "sort": "likes", "limit": "5"}]


def test_search_that_finds_nothing_says_so(puller):
    ended = puller.run("search", "nothing")

    assert (ended.returncode, ended.stdout) == (0, "")
    assert "named like 'nothing'" in ended.stderr
    assert json.loads(puller.run("search", "nothing", "--json").stdout) == {"results": []}


# --- room


def test_rm_tells_what_is_freed_and_who_shares_what_stays(puller):
    ended = puller.run("rm", "embedder")

    assert (ended.returncode, ended.stdout) == (0, "deleted 'embedder'\n")
    assert ended.stderr.splitlines() == [
        "4.0 GB freed",
        "1.4 KB stay, for other:1b: /s/sha256-1",
    ]


def test_rm_of_what_runs_has_to_be_forced(puller):
    refused = puller.run("rm", "talker")
    forced = puller.run("rm", "--force", "talker", "--json")

    assert (refused.returncode, refused.stderr) == (
        1,
        "paddock: talker is running\n  use --force\n",
    )
    assert json.loads(forced.stdout)["removed"][0]["model"] == "talker:latest"


def test_rm_dry_run_removes_nothing(puller):
    first = puller.run("rm", "embedder", "--dry-run")
    again = puller.run("rm", "embedder")

    assert first.stdout == "would remove /m/x.gguf (4.0 GB)\n"
    assert first.stderr.splitlines()[0] == "4.0 GB would be freed"
    assert again.returncode == 0


def test_du_shows_what_takes_the_room(puller):
    ended = puller.run("du")

    assert lines(ended.stdout) == [
        "MODEL SIZE ALONE SHARED",
        "talker:latest 4.0 GB 4.0 GB 1.4 KB",
        "UNFINISHED SIZE",
        "/m/.y.gguf.part 1.0 KB pull p7",
        "LEFT OVER SIZE WHY",
        "/s/sha256-2 12 B no model needs it",
        "FOLDER USED FREE QUOTA",
        "/m 4.0 GB 40 GB",
    ]
    assert "du --clean" in ended.stderr
    assert json.loads(puller.run("du", "--json").stdout)["folders"][0]["path"] == "/m"


def test_du_clean_tells_what_went(puller):
    ended = puller.run("du", "--clean")

    assert ended.stdout == "removed /s/sha256-2 (12 B)\n"
    assert ended.stderr == "12 B freed\n"
