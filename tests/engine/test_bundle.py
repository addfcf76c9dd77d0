"""A bundle on disk: comes back as it was, cannot be changed, and says when it was."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.bundle import Bundle, _arrays_of
from engine.errors import BundleUnusable
from tests.bundles import AS_OF, toy_bundle


@pytest.fixture
def folder(tmp_path):
    toy_bundle().save(tmp_path / "b")
    return tmp_path / "b"


def test_a_saved_bundle_comes_back_as_it_was(folder):
    made, loaded = toy_bundle(), Bundle.load(folder)
    for name, array in _arrays_of(made).items():
        np.testing.assert_array_equal(_arrays_of(loaded)[name], array, err_msg=name)
    assert loaded.manifest == made.manifest
    assert loaded.items.ids[7] == "i7"
    query = made.factors.users[3][None, :]
    np.testing.assert_array_equal(loaded.index.search(query, 5)[0], made.index.search(query, 5)[0])


def test_a_shop_without_any_event_can_be_saved_and_loaded(tmp_path):
    toy_bundle(1, 1, events_each=0).save(tmp_path / "b")
    assert len(Bundle.load(tmp_path / "b").history.items) == 0


def test_no_array_of_a_loaded_bundle_can_be_written(folder):
    for name, array in _arrays_of(Bundle.load(folder)).items():
        assert not array.flags.writeable, name
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_every_file_that_is_altered_shortened_or_missing_is_named(folder):
    for path in sorted(folder.iterdir()):
        if path.name == "manifest.json":
            continue
        content = path.read_bytes()
        for damaged in (content[:-1], content + b"x", content[:-1] + bytes([content[-1] ^ 1])):
            path.write_bytes(damaged)
            with pytest.raises(BundleUnusable, match="truncated or altered") as refused:
                Bundle.load(folder)
            assert refused.value.field == path.name
        path.unlink()
        with pytest.raises(BundleUnusable, match=f"lacks {path.name}"):
            Bundle.load(folder)
        path.write_bytes(content)
    Bundle.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("format"),
        lambda manifest: manifest.update(format=99),
        lambda manifest: manifest.pop("files"),
        lambda manifest: manifest.update(files=[]),
        lambda manifest: manifest["files"].update({"popular.items.npy": {}}),
        lambda manifest: manifest["files"].update({"popular.items.npy": 3}),
        lambda manifest: manifest["files"].pop("popular.items.npy"),
        lambda manifest: manifest.pop("index"),
        lambda manifest: manifest.update(index=3),
        lambda manifest: manifest.update(index={}),
        lambda manifest: manifest["index"].update(kind="lists"),
        lambda manifest: manifest["index"].update(surprise=1),
        lambda manifest: manifest["files"].update({"../b/x.npy": {"sha256": "", "bytes": 0}}),
        lambda manifest: manifest.pop("shop"),
        lambda manifest: manifest.update(surprise=1),
        lambda manifest: manifest.update(features=None),
    ],
)
def test_a_manifest_that_lies_is_refused(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleUnusable):
        Bundle.load(folder)


def test_tables_of_different_sizes_are_refused():
    bundle = toy_bundle()
    with pytest.raises(BundleUnusable, match="number of items"):
        replace(bundle, index=toy_bundle(n_items=40).index).check()
    with pytest.raises(BundleUnusable, match="number of users"):
        replace(bundle, users=toy_bundle(n_users=7).users).check()


def test_a_folder_that_exists_is_not_written_into(folder):
    with pytest.raises(FileExistsError):
        toy_bundle().save(folder)


def test_interests_fall_along_the_list_and_fade_with_time():
    bundle = toy_bundle()
    rows, weights = bundle.interests(bundle.profile("u5"), AS_OF)
    assert len(rows) and np.all(np.diff(weights) <= 0) and np.all(weights > 0)
    later = bundle.interests(bundle.profile("u5"), AS_OF + 60 * 86_400)[1]
    assert later.max() < weights.max()


def test_a_folded_in_profile_points_where_its_items_do():
    bundle = toy_bundle()
    stored = bundle.profile("u5")
    vector = bundle.user_vector(replace(stored, row=-1, is_stored=False), AS_OF)
    assert np.argmax(vector) == np.argmax(bundle.factors.users[5]) == 1
    np.testing.assert_array_equal(bundle.user_vector(stored, AS_OF), bundle.factors.users[5])
    assert bundle.user_vector(bundle.profile("u0"), AS_OF) is None
