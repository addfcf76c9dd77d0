"""The live bundle: swapped while requests run, kept when what was published is broken."""

from __future__ import annotations

import asyncio
import threading
import weakref
from dataclasses import replace

import httpx
import numpy as np
import pytest

from engine.errors import BundleUnusable, StoreUnavailable
from engine.storage import clock, releases
from engine.storage.home import Home
from serving.runtime import Runtime
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import eventually, publish, storefront


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def truncate(folder):
    path = folder / "factors.items.npy"
    path.write_bytes(path.read_bytes()[:-8])


def alter(folder):
    path = folder / "popular.scores.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x40
    path.write_bytes(content)


def lose_a_file(folder):
    (folder / "history.items.npy").unlink()


def lose_the_manifest(folder):
    (folder / "manifest.json").unlink()


def garble_the_manifest(folder):
    (folder / "manifest.json").write_text('{"format": 1, "files": {"a": 3}}')


def lose_it_all(folder):
    folder.rename(folder.with_name("gone"))


def nan_factors():
    bundle = toy_bundle()
    items = bundle.factors.items.copy()
    items[3, 1] = np.nan
    return replace(bundle, factors=replace(bundle.factors, items=items))


def other_features():
    bundle = toy_bundle()
    return replace(bundle, manifest=replace(bundle.manifest, features=("one", "two")))


def rows_beyond():
    bundle = toy_bundle()
    return replace(bundle, popular=replace(bundle.popular, items=bundle.popular.items + 1000))


def fewer_catalogue_rows():
    return replace(toy_bundle(), catalog=toy_bundle(n_items=40).catalog)


def short_ranking():
    bundle = toy_bundle()
    return replace(bundle, rankings={"home": replace(bundle.rankings["home"], values=np.zeros(3))})


@pytest.mark.parametrize("damage", [truncate, alter, lose_a_file, lose_the_manifest, garble_the_manifest, lose_it_all])
def test_a_damaged_bundle_is_refused_and_the_old_one_stays(home, damage, caplog):
    publish(home, toy_bundle())
    with releases.new_version_folder(home) as reserved:
        toy_bundle().save(reserved.folder)
    runtime = Runtime(home)
    releases.point_to(home, 2, AS_OF)
    damage(releases.version_folder(home, 2))
    asyncio.run(runtime.check())
    asyncio.run(runtime.check())
    assert runtime.live.version == 1
    assert runtime.problem
    assert caplog.text.count("refused a published bundle") == 1
    assert "hawker_bundles_refused_total 1.0" in runtime.metrics.page().decode()


@pytest.mark.parametrize("made", [nan_factors, other_features, rows_beyond, fewer_catalogue_rows, short_ranking])
def test_a_bundle_that_is_whole_but_unsound_is_refused_too(home, made):
    publish(home, toy_bundle())
    runtime = Runtime(home)
    publish(home, made())
    asyncio.run(runtime.check())
    assert runtime.live.version == 1
    assert runtime.problem


def test_the_next_good_bundle_ends_the_trouble(home):
    publish(home, toy_bundle())
    runtime = Runtime(home)
    publish(home, nan_factors())
    asyncio.run(runtime.check())
    publish(home, toy_bundle())
    asyncio.run(runtime.check())
    assert (runtime.live.version, runtime.problem) == (3, None)
    releases.point_back(home, AS_OF)
    asyncio.run(runtime.check())
    assert runtime.live.version == 3, "version 2 is still broken"
    releases.point_back(home, AS_OF)
    asyncio.run(runtime.check())
    assert (runtime.live.version, runtime.problem) == (1, None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": "x"}', b"\xff"])
def test_a_pointer_that_cannot_be_read_changes_nothing(home, content):
    publish(home, toy_bundle())
    runtime = Runtime(home)
    releases.pointer_path(home).write_bytes(content)
    asyncio.run(runtime.check())
    assert runtime.live.version == 1
    assert "hawker publish" in runtime.problem


def test_a_start_with_a_broken_bundle_serves_the_one_before(home):
    publish(home, toy_bundle())
    publish(home, toy_bundle())
    truncate(releases.version_folder(home, 2))
    runtime = Runtime(home)
    assert runtime.live.version == 1
    assert "truncated or altered" in runtime.problem


def test_a_start_without_a_sound_bundle_says_what_is_wrong(home):
    with pytest.raises(StoreUnavailable, match="hawker train"):
        Runtime(home).serving()
    publish(home, nan_factors())
    with pytest.raises(BundleUnusable, match="not finite"):
        Runtime(home)


def test_the_clock_is_real_time_plus_the_shops_offset_and_follows_it(home):
    publish(home, toy_bundle())
    clock.set_offset(home, -1000)
    runtime = Runtime(home, real_time=lambda: 5000.0)
    assert runtime.now() == 4000
    clock.set_offset(home, 7)
    asyncio.run(runtime.check())
    assert runtime.now() == 5007


def test_a_clock_that_cannot_be_read_keeps_the_last_and_is_told(home):
    publish(home, toy_bundle())
    clock.set_offset(home, 9)
    runtime = Runtime(home, real_time=lambda: 0.0)
    (home.shop_folder / "clock.json").write_text("{}")
    asyncio.run(runtime.check())
    assert runtime.now() == 9
    assert "clock" in runtime.problem
    clock.set_offset(home, 10)
    asyncio.run(runtime.check())
    assert (runtime.now(), runtime.problem) == (10, None)
    (home.shop_folder / "clock.json").write_text("{}")
    with pytest.raises(StoreUnavailable, match="remove the file"):
        Runtime(home)


def test_the_bundle_before_is_let_go_of_beside_the_requests(home):
    publish(home, toy_bundle())
    runtime = Runtime(home)
    ended_in = []

    async def swapped():
        await runtime.catalog.refresh(runtime.live.bundle, AS_OF)
        weakref.finalize(runtime.live.bundle, lambda: ended_in.append(threading.current_thread()))
        publish(home, toy_bundle())
        await runtime.check()
        await runtime.catalog.refresh(runtime.live.bundle, AS_OF)

    asyncio.run(swapped())
    assert runtime.live.version == 2
    assert len(ended_in) == 1
    assert ended_in[0] is not threading.main_thread()


def test_requests_during_twenty_swaps_all_succeed_and_none_mixes_two_bundles(home):
    def marked(version):
        return toy_bundle(item_ids=[f"v{version}-{row}" for row in range(80)], version=version)

    publish(home, marked(1))
    failures, answered, over = [], [], threading.Event()

    def shopper(url):
        with httpx.Client(base_url=url, timeout=10) as client:
            while not over.is_set():
                answer = client.get("/v1/users/u5/recommendations", params={"limit": 20, "explain": True})
                if answer.status_code != 200:
                    failures.append(answer.text)
                    continue
                body = answer.json()
                ids = [item["id"] for item in body["items"]]
                if not all(each.startswith(f"v{body['bundle_version']}-") for each in ids):
                    failures.append(f"{body['bundle_version']} with {ids}")
                answered.append(body["bundle_version"])

    with storefront(home) as running:
        shoppers = [threading.Thread(target=shopper, args=(str(running.client.base_url),)) for _ in range(3)]
        for each in shoppers:
            each.start()
        try:
            for version in range(2, 22):
                publish(home, marked(version))
                eventually(lambda version=version: running.runtime.live.version == version)
        finally:
            over.set()
            for each in shoppers:
                each.join()
        page = running.get("/metrics").text
    assert not failures
    assert len(set(answered)) > 10
    assert "hawker_bundle_swaps_total 20.0" in page
