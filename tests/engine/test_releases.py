"""The pointer and the bundle folders: whole at every moment, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.errors import BundleUnusable, NotAllowed, UnknownThing
from engine.storage import releases
from engine.storage.home import Home
from tests.bundles import toy_bundle

ROOT = Path(__file__).resolve().parents[2]
PROLOGUE = """
import os, signal, sys
from pathlib import Path
from engine.storage import releases
from engine.storage.home import Home
home = Home(Path(sys.argv[1]))
"""


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def build(home):
    with releases.new_version_folder(home) as reserved:
        reserved.folder.mkdir()
    return reserved.version


def program(home, code):
    return subprocess.Popen([sys.executable, "-c", PROLOGUE + code, str(home.root)], cwd=ROOT, stdout=subprocess.PIPE)


def test_versions_are_counted_and_published_and_taken_back(home):
    assert (releases.versions(home), releases.current(home)) == ([], None)
    assert [build(home) for _ in range(3)] == [1, 2, 3] == releases.versions(home)
    releases.point_to(home, 1, 100.0)
    releases.point_to(home, 3, 200.0)
    pointer = releases.point_to(home, 2, 300.9)
    assert pointer == releases.Pointer(2, (1, 3), 300) == releases.current(home)
    assert releases.point_back(home, 400) == releases.Pointer(3, (1,), 400)
    assert releases.point_back(home, 500) == releases.Pointer(1, (), 500)
    with pytest.raises(NotAllowed, match="no earlier bundle"):
        releases.point_back(home, 600)
    assert releases.current(home) == releases.Pointer(1, (), 500)


def test_publishing_the_same_version_again_changes_nothing(home):
    build(home)
    first = releases.point_to(home, 1, 100)
    assert releases.point_to(home, 1, 200) == first


def test_rolling_back_passes_over_versions_that_are_gone(home):
    for version in (1, 2, 3):
        build(home)
        releases.point_to(home, version, version)
    releases.version_folder(home, 2).rmdir()
    assert releases.point_back(home, 9).version == 1


def test_before_the_first_publish_everything_says_what_to_do(home):
    with pytest.raises(UnknownThing, match="hawker train"):
        releases.open_bundle(home)
    with pytest.raises(NotAllowed):
        releases.point_back(home, 1)
    for ask in (lambda: releases.point_to(home, 4, 1), lambda: releases.open_bundle(home, 4)):
        with pytest.raises(UnknownThing, match="no bundle version 4"):
            ask()
    assert releases.current(home) is None


def test_a_published_bundle_opens(home):
    with releases.new_version_folder(home) as reserved:
        toy_bundle(version=reserved.version).save(reserved.folder)
    releases.point_to(home, reserved.version, 1)
    assert releases.open_bundle(home).manifest == releases.open_bundle(home, 1).manifest
    assert releases.open_bundle(home).manifest.version == 1


def test_a_pointer_that_cannot_be_read_is_told_and_repaired_by_the_next_publish(home):
    build(home)
    releases.pointer_path(home).write_text('{"version": 1')
    with pytest.raises(BundleUnusable, match="hawker publish"):
        releases.current(home)
    assert releases.point_to(home, 1, 5) == releases.current(home) == releases.Pointer(1, (), 5)


def test_a_builder_that_fails_leaves_nothing(home):
    with pytest.raises(ZeroDivisionError), releases.new_version_folder(home) as reserved:
        reserved.folder.mkdir()
        raise ZeroDivisionError
    assert releases.versions(home) == []
    assert [path.name for path in home.bundles.iterdir()] == [".lock"]


def test_two_builders_at_once_get_two_numbers(home):
    with releases.new_version_folder(home) as first, releases.new_version_folder(home) as second:
        assert (first.version, second.version) == (1, 2)
        second.folder.mkdir()
        first.folder.mkdir()
    assert releases.versions(home) == [1, 2]


def test_what_a_killed_builder_left_is_no_version_and_is_cleared(home):
    killed = program(
        home,
        "with releases.new_version_folder(home) as reserved:\n"
        "    reserved.folder.mkdir(); os.kill(os.getpid(), signal.SIGKILL)",
    )
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert releases.versions(home) == []
    assert list(home.bundles.glob(".building-*"))
    assert build(home) == 1
    assert not list(home.bundles.glob(".building-*"))


def test_the_pointer_is_whole_whenever_its_writer_is_killed(home):
    for _ in range(3):
        build(home)
    releases.point_to(home, 1, 0)
    for round_ in range(6):
        writer = program(
            home,
            "import itertools\nprint('go', flush=True)\n"
            "for step in itertools.count(): releases.point_to(home, step % 3 + 1, step)",
        )
        writer.stdout.readline()
        deadline = time.monotonic() + 0.02 + 0.013 * round_
        while time.monotonic() < deadline:
            assert releases.current(home).version in (1, 2, 3)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        assert releases.current(home).version in (1, 2, 3)
    assert releases.point_to(home, 2, 1).version == 2, "a lock outlived its process"


def test_publishes_at_once_all_count(home):
    versions = [build(home) for _ in range(12)]
    threads = [threading.Thread(target=releases.point_to, args=(home, version, 1)) for version in versions]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    pointer = releases.current(home)
    assert sorted((*pointer.history, pointer.version)) == versions
    assert json.loads(releases.pointer_path(home).read_bytes())["version"] == pointer.version
