"""The command line: what each verb says, to programs and to people, and how it refuses."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.csv as csv
import pytest

import hawker
from engine.storage.home import Home
from engine.storage.keys import remembered
from engine.storage.lake import Lake
from engine.storage.placements import remember
from engine.storage.releases import current, open_bundle, versions
from tests.trained import TINY_TOML

ROOT = Path(__file__).resolve().parents[1]
VERBS = {
    *("demo", "import", "train", "evaluate", "models", "publish", "rollback"),
    *("serve", "recommend", "similar", "bench", "doctor", "keys", "offer", "segment", "user"),
}


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def found(self) -> dict:
        """The one JSON object that is the last line."""
        found = json.loads(self.out.splitlines()[-1])
        assert isinstance(found, dict)
        return found

    @property
    def refusal(self) -> str:
        """The last line on stderr; no traceback anywhere, and nothing on stdout that looks like an answer."""
        assert "Traceback" not in self.err + self.out
        *before, last = self.err.strip().splitlines()
        assert all(" s  " in line for line in before), self.err  # progress only
        assert last.startswith("hawker: ")
        assert self.out == ""
        return last


Command = Callable[..., Said]


@pytest.fixture
def command(monkeypatch, capsys) -> Command:
    """Run a command line in this process as `python -m hawker` does."""

    def run(home: Home | Path, *words: object, **environment: str) -> Said:
        for name in [name for name in os.environ if name.startswith("HAWKER_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HAWKER_HOME", str(home.root if isinstance(home, Home) else home))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["hawker", *map(str, words)])
        before = signal.getsignal(signal.SIGTERM)
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                hawker.main()
        finally:
            signal.signal(signal.SIGTERM, before)
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def recipe(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_TOML)
    return path


@pytest.fixture
def users(tmp_path) -> Path:
    path = tmp_path / "users.csv"
    path.write_text("user_id\nu1\nu2\nnobody\n")
    return path


@pytest.fixture
def items(tmp_path) -> Path:
    path = tmp_path / "items.txt"
    path.write_text("i1\ni2\nunknown\n")
    return path


def start(home: Home | Path, *words: object, **popen) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HAWKER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "hawker", *map(str, words)],
        cwd=ROOT,
        env=kept | {"HAWKER_HOME": str(home.root if isinstance(home, Home) else home), "PYTHONDONTWRITEBYTECODE": "1"},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **popen},
    )


def finished(process: subprocess.Popen[str]) -> Said:
    out, err = process.communicate(timeout=120)
    return Said(process.returncode, out or "", err or "")


def test_the_help_names_every_verb_in_a_sentence(command, tmp_path):
    said = command(tmp_path, "--help")
    assert said.code == 0
    named = {line.split("│")[1].split()[0] for line in said.out.splitlines() if line.startswith("│ ")}
    assert named >= VERBS
    for verb in VERBS:
        assert command(tmp_path, verb, "--help").code == 0


def test_the_first_day_of_a_shop_from_its_file_to_lists_and_back(command, tmp_path, own_home, recipe, users, items):
    """import, train, publish, evaluate, models, recommend, similar, rollback: an object a verb as the last line."""
    log, mapping = tmp_path / "log.csv", tmp_path / "map.toml"
    log.write_text("who,what,day\nu1,i1,2025-02-27\nu1,i1,never\nnewcomer,i2,2025-02-28\n")
    mapping.write_text('[events]\nuser = "who"\nitem = "what"\ntime = "day"\ntype = "purchase"\n')
    said = command(own_home, "import", log, "--mapping", mapping, "--json")
    assert (said.code, said.found["read"], said.found["stored"], said.found["quarantined"]) == (0, 3, 2, 1)
    again = command(own_home, "import", log, "--mapping", mapping, "--json").found
    assert (again["stored"], again["duplicates"], again["quarantined"]) == (0, 2, 1)

    trained = command(own_home, "train", recipe, "--json")
    assert (trained.code, trained.found["version"], trained.found["warning"]) == (0, 2, "")
    subjects = {row["subject"] for row in trained.found["scores"]}
    assert subjects >= {"popularity", "frequency", "als", "bpr", "home", "discover"}
    assert current(own_home).version == 1

    published = command(own_home, "publish", "--force", "--json")
    assert (published.code, published.found["version"], published.found["former"]) == (0, 2, 1)
    assert {"name", "asked", "measured", "passed"} == published.found["gates"][0].keys()
    evaluated = command(own_home, "evaluate", "--json")
    assert evaluated.found["version"] == 2
    assert evaluated.found["scores"] == trained.found["scores"]
    listed = command(own_home, "models", "--json").found["models"]
    assert [(row["version"], row["served"]) for row in listed] == [(2, True), (1, False)]

    users.write_text("user_id\nu1\nnewcomer\nnobody\n")
    out = tmp_path / "lists.csv"
    said = command(own_home, "recommend", "--users", users, "--out", out, "--limit", 5, "--json")
    assert (said.code, said.found) == (0, {"users": 3, "rows": 15, "out": str(out)})
    lists = csv.read_csv(out)
    assert lists.column_names == ["user_id", "rank", "item_id", "score", "source", "due_at", "chance"]
    assert lists["user_id"].unique().to_pylist() == ["u1", "newcomer", "nobody"]
    said = command(own_home, "similar", "--items", items, "--out", out, "--limit", 5, "--json")
    assert (said.code, said.found) == (0, {"items": 3, "rows": 10, "out": str(out)})

    back = command(own_home, "rollback", "--json")
    assert (back.code, back.found["version"], back.found["former"]) == (0, 1, 2)
    assert current(own_home).version == 1
    assert "nothing" not in command(own_home, "rollback").refusal


def test_without_json_people_get_sentences_and_tables(command, trained_home, users, tmp_path):
    shown = command(trained_home, "evaluate")
    assert shown.code == 0
    for words in ("home *", "popularity", "frequency", "item_neighbours", "NDCG@20", "never bought"):
        assert words in shown.out
    assert "2025-03-01T21:59" in command(trained_home, "models").out
    out = tmp_path / "lists.jsonl"
    assert command(trained_home, "recommend", "--users", users, "--out", out).out == f"{out}: 60 rows\n"


def test_a_version_that_fails_a_gate_is_not_published_and_the_figures_are_shown(command, own_home):
    altered = own_home.bundles / "v000001" / "factors.items.npy"
    altered.write_bytes(altered.read_bytes()[:-1])
    for force in ((), ("--force",)):  # nobody overrules this gate
        said = command(own_home, "publish", *force)
        assert said.code == 1
        assert "Gates" in said.out
        assert "version 1 is not published: answers: factors.items.npy" in said.err
        assert "Traceback" not in said.err


def test_doctor_finds_a_trained_home_well_and_an_altered_bundle_not(command, own_home):
    well = command(own_home, "doctor", "--json")
    assert (well.code, [row["name"] for row in well.found["findings"] if not row["ok"]]) == (0, [])
    altered = own_home.bundles / "v000001" / "factors.items.npy"
    altered.write_bytes(altered.read_bytes()[:-1])
    ill = command(own_home, "doctor")
    assert ill.code == 1
    assert "NOT bundle: factors.items.npy of bundle v000001 was truncated or altered" in ill.out


def test_lists_as_of_a_past_moment_say_what_they_knew(command, trained_home, users, tmp_path):
    out = tmp_path / "lists.csv"
    words = ("recommend", "--users", users, "--out", out)
    late = command(trained_home, *words, "--as-of", "2025-02-01")
    assert (late.code, "train with --until for a fair measurement" in late.err) == (0, True)
    first = out.read_bytes()
    assert command(trained_home, *words, "--as-of", "2025-02-01T00:00:00Z").code == 0
    assert out.read_bytes() == first
    fair = command(trained_home, *words, "--as-of", "2025-03-02")
    assert (fair.code, fair.err) == (0, "")
    assert out.read_bytes() != first


def test_lists_may_be_those_that_the_shop_defined_itself(command, own_home, users, items, tmp_path):
    """Of one name what the ledger said last, which is kept in a file, wins over the shop's own file."""
    own_home.shop_folder.joinpath("placements.toml").write_text(
        '[best]\nsources = ["popular"]\n[beside]\nlike = "similar"\n[late]\nlike = "best-sellers"\nwindow = "7d"\n'
    )
    remember(own_home, {"best": {"sources": ["popular"], "filter": 'not item_id = "i1"'}})
    out = tmp_path / "lists.csv"
    asked = ("--users", users, "--out", out, "--limit", 80)
    assert command(own_home, "recommend", *asked, "--placement", "best").code == 0
    found = csv.read_csv(out)
    assert set(found["source"].to_pylist()) == {"popular"}
    assert "i1" not in found["item_id"].to_pylist()
    assert command(own_home, "similar", "--items", items, "--out", out, "--placement", "beside").code == 0
    late = command(own_home, "recommend", *asked, "--placement", "late")
    assert "hawker user refresh" in late.refusal
    assert command(own_home, "user", "refresh").code == 0
    assert command(own_home, "recommend", *asked, "--placement", "late", "--as-of", "2025-03-02").code == 0
    assert set(csv.read_csv(out)["source"].to_pylist()) == {"selling", "popular"}
    own_home.shop_folder.joinpath("placements.toml").write_text('[best]\nlike = "nothing"')
    assert "placements.toml:2:1" in command(own_home, "recommend", *asked, "--placement", "best").refusal


REFUSALS = [
    ("train nonsense", 2, "no recipe is called 'nonsense'; there are"),
    ("train nothing.toml", 2, "cannot be read"),
    ("train --until soon", 2, "'soon' is no time"),
    ("train --until 0001-01-01T00:00+14:00", 2, "is no time"),
    ("train --until 1999-01-01", 1, "no events of known users and items before 1999-01-01"),
    ("train --until 2025-01-05", 1, "the shop's history has 4 days"),
    ("evaluate 77", 2, "there is no trained version 77; there are: 1"),
    ("publish 77", 2, "there is no bundle version 77; the newest is 1"),
    ("rollback", 1, "there is no earlier bundle to roll back to"),
    ("recommend --users {users} --out {out}.csv --placement hom", 2, "did you mean home?"),
    ("recommend --users {users} --out {out}.csv --placement similar", 2, "is about items in view"),
    ("recommend --users {users} --out {out}.csv --version 77", 2, "there is no bundle version 77; there are: 1"),
    ("recommend --users {users} --out {out}.csv --as-of soon", 2, "'soon' is no time"),
    ("recommend --users {users} --out {out}.xlsx", 2, "must end in .parquet, .csv or .jsonl"),
    ("recommend --users {users} --out /proc/none/lists.csv", 1, "/proc/none: No such file or directory"),
    ("recommend --users {out} --out {out}.csv", 2, "there is no file"),
    ("recommend --users {items} --out {out}", 2, "must end in"),
    ("similar --items {out} --out {out}.csv", 2, "there is no file"),
    ("similar --items {users} --out {out}.csv", 2, "has no column item_id; it has user_id"),
    ("similar --items {items} --out {out}.csv --placement home", 2, "'home' is for users"),
    ("similar --items {items} --out {out}.txt", 2, "must end in"),
    ("import nonsense", 2, "there is no file nonsense"),
    ("import {users}", 2, "needs a mapping"),
    ("import taobao", 2, "taobao"),
    ("bench shpo", 2, "did you mean 'shop'?"),
]


@pytest.mark.parametrize(("line", "code", "words"), REFUSALS)
def test_a_refusal_is_one_line_and_writes_nothing(command, trained_home, users, items, tmp_path, line, code, words):
    places = {"users": users, "items": items, "out": tmp_path / "out"}
    before = Lake(trained_home).versions(), versions(trained_home), current(trained_home)
    said = command(trained_home, *line.format(**places).split())
    assert words in said.refusal
    assert said.code == code
    assert (Lake(trained_home).versions(), versions(trained_home), current(trained_home)) == before
    assert {path.name for path in tmp_path.iterdir()} == {"users.csv", "items.txt"}


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("train", 1, "the shop has no events of known users and items; import some first"),
        ("evaluate", 2, "there is no trained version; there are: none; run `hawker train`"),
        ("publish", 1, "has no trained bundle; run `hawker train`"),
        ("rollback", 1, "there is no earlier bundle"),
        ("recommend --users {users} --out {out}.csv", 2, "has no published bundle yet"),
        ("similar --items {items} --out {out}.csv", 2, "has no published bundle yet"),
    ],
)
def test_an_empty_home_is_told_what_comes_first_and_stays_empty(command, users, items, tmp_path, line, code, words):
    said = command(tmp_path / "home", *line.format(users=users, items=items, out=tmp_path / "out").split())
    assert words in said.refusal
    assert said.code == code
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HAWKER_HOM": "x"}, "unknown setting HAWKER_HOM; did you mean HAWKER_HOME?"),
        ({"HAWKER_PORT": "http"}, "HAWKER_PORT='http' is not a valid value"),
        ({"HAWKER_SHOP": "../other"}, "HAWKER_SHOP='../other' is not a valid value"),
        ({"HAWKER_SHOP": ".."}, "HAWKER_SHOP='..' is not a valid value"),
    ],
)
def test_a_setting_that_cannot_be_stops_every_command(command, tmp_path, environment, words):
    said = command(tmp_path, "models", **environment)
    assert words in said.refusal
    assert said.code == 2


def test_a_setting_that_is_set_to_nothing_keeps_its_default(command, trained_home):
    assert command(trained_home, "models", "--json", HAWKER_SHOP="", HAWKER_PORT="").found["models"]


def test_a_home_that_cannot_be_is_refused_in_one_line(command, users, tmp_path):
    file = command(users, "models")
    assert (file.code, "is a file; name a folder" in file.refusal) == (2, True)
    mapping = tmp_path / "map.toml"
    mapping.write_text('[events]\nuser = "user_id"\nitem = "user_id"\n')
    for home in (Path("/proc/none"), users / "below"):
        said = command(home, "import", users, "--mapping", mapping)
        assert said.code in (1, 2)
        assert "\n" not in said.refusal
        assert command(home, "train").code == 1


@pytest.mark.parametrize("line", ["nonsense", "train --nonsense", "recommend", "recommend --limit 0", "publish one"])
def test_wrong_use_is_exit_code_2(command, trained_home, line):
    said = command(trained_home, *line.split())
    assert said.code == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "--help" in said.err


def test_who_closes_the_pipe_has_seen_enough(trained_home):
    with start(trained_home, "evaluate", "--json") as process:
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("options", [("--json",), ()])
def test_an_answer_that_cannot_be_written_is_a_failure_in_one_line(trained_home, options):
    with Path("/dev/full").open("w") as full:
        said = finished(start(trained_home, "models", *options, stdout=full))
    assert (said.code, said.err) == (1, "hawker: No space left on device\n")


def test_a_version_that_the_disk_cannot_hold_is_refused_whole(own_home, recipe):
    """No file may grow beyond 20 kB, as on a disk that is nearly full."""
    limit = (20_000, 20_000)
    said = finished(
        start(own_home, "train", recipe, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    )
    assert said.code == 1
    assert "the trained version cannot be written below" in said.refusal
    there = sorted(path.name for path in own_home.bundles.iterdir())
    assert [name for name in there if name != ".verified-000001.json"] == [".lock", "current", "v000001"]


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Until a line of progress says so."""
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended without {words!r}")


def is_as_it_was(home: Home) -> bool:
    return versions(home) == [1] and current(home).version == 1 and open_bundle(home).manifest.version == 1


def test_ctrl_c_ends_a_training_at_once_with_130_and_leaves_nothing(own_home, recipe):
    with start(own_home, "train", recipe, "--json") as process:
        read_until(process, "snapshots")
        process.send_signal(signal.SIGINT)
        said = finished(process)
    assert said.code == 130
    assert said.out == ""
    assert "Traceback" not in said.err
    assert is_as_it_was(own_home)
    assert not list(own_home.bundles.glob(".building-*"))


def test_a_killed_training_leaves_the_served_version_and_the_next_one_clears_up(own_home, recipe, command):
    with start(own_home, "train", recipe) as process:
        read_until(process, "rankings")
        process.kill()
    assert is_as_it_was(own_home)
    with start(own_home, "train", recipe, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not list(own_home.bundles.glob(".building-*")):  # the version is being written
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    assert current(own_home).version == 1
    left = versions(own_home)
    assert left in ([1], [1, 2])  # killed within the write, or just after it
    for version in left:
        assert open_bundle(own_home, version).manifest.version == version
    trained = command(own_home, "train", recipe, "--json")
    assert trained.code == 0
    assert versions(own_home)[-1] == trained.found["version"]
    assert not list(own_home.bundles.glob(".building-*"))
    assert current(own_home).version == 1


def test_keys_are_made_shown_and_revoked(command, tmp_path):
    empty = command(tmp_path, "keys", "list")
    assert (empty.code, empty.out.strip()) == (0, "no keys: the shop is open, on localhost only")
    made = command(
        tmp_path, "keys", "create", "--actor", "the shop", "--scope", "ingest", "--scope", "recommend", "--json"
    )
    assert made.found["key"].startswith("hk_")
    assert (made.found["actor"], made.found["scopes"]) == ("the shop", ["ingest", "recommend"])
    listed = command(tmp_path, "keys", "list", "--json")
    assert [each["id"] for each in listed.found["keys"]] == [made.found["id"]]
    assert made.found["key"] not in listed.out
    [known] = remembered(tmp_path / "shops" / "default" / "keys.json").values()  # for who starts before the ledger
    assert known.id == made.found["id"]
    assert command(tmp_path, "keys", "revoke", made.found["id"], "--json").found["revoked_at"]
    wrong = command(tmp_path, "keys", "create", "--actor", "x", "--scope", "everything")
    assert wrong.code == 2
    assert "scope" in wrong.refusal
    assert command(tmp_path, "keys", "revoke", "k0").code == 2


def test_segments_are_made_shown_changed_and_archived(command, own_home, tmp_path):
    command(own_home, "doctor", "--rebuild", "--json")
    rule = ("--rule", "spend_90d >= 5")
    made = command(own_home, "segment", "create", "--name", "Big", "--name-zh", "大", *rule, "--json")
    assert (made.found["segment_id"], made.found["definition"]["op"]) == ("big", ">=")
    rule = tmp_path / "rule.json"
    rule.write_text('{"all": [{"trait": "orders_90d", "op": ">=", "value": 2}, {"segment": "big"}]}')
    command(own_home, "segment", "create", "--name", "Above", "--rule", f"@{rule}", "--by", "anna")
    shown = command(own_home, "segment", "show", "big", "--json").found
    assert (shown["dependents"], len(shown["versions"])) == (["above"], 1)
    assert "named by above" in command(own_home, "segment", "archive", "big").refusal
    edited = command(own_home, "segment", "edit", "above", "--rule", "orders_90d >= 3", "--json").found
    assert (edited["version"], edited["names"], edited["created_by"]) == (2, {"en": "Above"}, "anna")
    assert command(own_home, "segment", "archive", "big", "--json").found["archived_at"]
    assert "above  Above  version 2  orders_90d >= 3" in command(own_home, "segment", "list").out
    wrong = command(own_home, "segment", "create", "--name", "x", "--rule", "spend_90 >= 5")
    assert (wrong.code, "spend_90d" in wrong.refusal) == (2, True)
    assert command(own_home, "segment", "create", "--name", "x").code == 2


def test_a_list_is_uploaded_or_told_line_by_line_what_is_wrong(command, own_home, tmp_path):
    command(own_home, "segment", "create", "--name", "Invited", "--static")
    listed = tmp_path / "listed.csv"
    listed.write_text("user_id\nu1\nnobody\n=cmd()\n")
    refused = command(own_home, "segment", "upload", "invited", listed)
    assert refused.code == 2
    assert "line 3: 'nobody': nobody is called so" in refused.err and "line 4: '=cmd()'" in refused.err
    done = command(own_home, "segment", "upload", "invited", listed, "--skip", "unknown_user,formula", "--json").found
    assert (done["users"], done["skipped"], done["segment"]["members"]) == (1, 2, 1)


def test_offers_are_made_issued_counted_and_ended(command, tmp_path):
    file = tmp_path / "summer.json"
    terms = {"offer_id": "summer", "name": "Summer", "benefit": {"kind": "percent", "percent": 10}}
    file.write_text(json.dumps(terms))
    assert command(tmp_path, "offer", "list").out.strip() == "no offers"
    assert command(tmp_path, "offer", "create", str(file), "--json").found["version"] == 1
    file.write_text(json.dumps({**terms, "limits": [{"of": "customer", "count": 1}]}))
    assert command(tmp_path, "offer", "create", str(file), "--json").found["version"] == 2
    assert command(tmp_path, "offer", "show", "summer", "--json").found["terms"]["benefit"]["percent"] == 10
    versions = command(tmp_path, "offer", "versions", "summer", "--json").found["versions"]
    assert [each["version"] for each in versions] == [2, 1]
    made = command(tmp_path, "offer", "codes", "summer", "--count", "20", "--pattern", "SUN-############", "--json")
    assert made.found["made"] == 20
    (tmp_path / "codes.txt").write_text("ELSEWHERE-1\nELSEWHERE-2\n")
    taken = command(tmp_path, "offer", "import-codes", "summer", str(tmp_path / "codes.txt"), "--json")
    assert (taken.found["new"], taken.found["known"]) == (2, 0)
    given = [
        command(tmp_path, "offer", "publish", "summer", "--user", "anna", "--source", "mail", "--json").found
        for _ in range(2)
    ]
    assert (given[0]["code"], given[0]["fresh"], given[1]["fresh"]) == (given[1]["code"], True, False)
    assert command(tmp_path, "offer", "stats", "summer", "--json").found["codes"] == 22
    assert command(tmp_path, "offer", "disable", "summer", "--json").found["state"] == "disabled"
    refused = command(tmp_path, "offer", "publish", "summer", "--user", "bob")
    assert (refused.code, "disabled" in refused.refusal) == (1, True)
    assert command(tmp_path, "offer", "adopt-past", "--currency", "USD", "--json").found["offers"] == 0
    file.write_text(json.dumps({**terms, "benefit": {"kind": "percent", "percent": 120}}))
    wrong = command(tmp_path, "offer", "create", str(file))
    assert (wrong.code, "benefit.percent" in wrong.refusal) == (2, True)


def test_doctor_looks_at_the_events_too(command, tmp_path):
    said = command(tmp_path, "doctor", "events", "--json")
    assert (said.code, said.found["arrived"]) == (1, [])
    assert "NOT purchase: none arrived" in command(tmp_path, "doctor", "events").out
    assert command(tmp_path, "doctor", "weather").code == 2


def test_a_mapping_is_guessed_and_then_works(command, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("user_id,sku,date,amount\nu1,i1,2025-02-27,1.50\n")
    said = command(tmp_path / "home", "import", "--guess", log, "--json")
    assert said.found == {"mapping": f"{log}.toml"}
    done = command(tmp_path / "home", "import", log, "--mapping", f"{log}.toml", "--json")
    assert done.found["stored"] == 1
    assert command(tmp_path / "home", "import", "--guess", log).code == 2
    elsewhere = tmp_path / "other.toml"
    assert command(tmp_path / "home", "import", "--guess", log, "--out", elsewhere).code == 0
    assert elsewhere.read_text().replace("other.toml", "log.csv.toml") == Path(f"{log}.toml").read_text()


def test_the_live_store_is_filled_anew_from_the_lake(command, own_home):
    said = command(own_home, "doctor", "--rebuild", "--json")
    assert (said.code, said.found["items"], said.found["users"]) == (0, 80, 150)
