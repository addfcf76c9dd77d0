"""Files of a version that were found whole are read again only when somebody touched them."""

from __future__ import annotations

import json
import os

import pytest

from engine.bundle_files import read_manifest
from engine.errors import BundleUnusable
from engine.storage import releases
from engine.storage.home import Home
from engine.storage.verified import stamped, untouched
from tests.bundles import AS_OF, toy_bundle

ALTERED = "catalog.price.npy"


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    with releases.new_version_folder(home) as reserved:
        toy_bundle().save(reserved.folder)
    releases.point_to(home, 1, AS_OF)
    releases.open_bundle(home)
    return home


def note(home):
    return home.bundles / ".verified-000001.json"


def stamps(home):
    folder = releases.version_folder(home, 1)
    return stamped(folder, read_manifest(folder)["files"])


def alter(home):
    """Another price, by somebody who puts the file's times back."""
    path = releases.version_folder(home, 1) / ALTERED
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_after_the_first_opening_everything_is_known_to_be_whole(home):
    assert untouched(note(home), stamps(home)) == set(stamps(home)) != set()


def test_a_file_that_was_written_to_is_read_again_whatever_its_times_say(home):
    alter(home)
    assert set(stamps(home)) - untouched(note(home), stamps(home)) == {ALTERED}
    with pytest.raises(BundleUnusable, match="truncated or altered"):
        releases.open_bundle(home)


def test_a_disk_that_changed_a_file_silently_is_found_when_everything_is_read_anew(home):
    alter(home)
    note(home).write_text(json.dumps(stamps(home)))  # as it would be had the system not seen the change
    assert releases.open_bundle(home).manifest.shop == "default"
    with pytest.raises(BundleUnusable, match="truncated or altered"):
        releases.open_bundle(home, anew=True)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 3}', '{"catalog.price.npy": []}', "\x00"])
def test_a_note_that_cannot_be_read_knows_nothing_and_is_written_anew(home, text):
    note(home).write_text(text)
    assert untouched(note(home), stamps(home)) == set()
    releases.open_bundle(home)
    assert untouched(note(home), stamps(home)) == set(stamps(home))


def test_the_note_goes_with_its_version(home):
    for _ in range(5):
        with releases.new_version_folder(home) as reserved:
            toy_bundle().save(reserved.folder)
        releases.point_to(home, reserved.version, AS_OF)
    releases.drop_old_versions(home, 1)
    assert not note(home).exists()
