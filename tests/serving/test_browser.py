"""The script for pages: its size, and what it does, run by Node over a page of our own against the real storefront."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.storage.home import Home
from engine.storage.online import connect_live, connect_stream
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import publish, storefront
from tests.stores import settings_of

SCRIPT = Path(__file__).resolve().parents[2] / "serving" / "storefront" / "hawker.js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node runs the page's script, and is not here")

# As much of a page as the script needs; `seen` shows a part of each element to the observer.
PAGE = """
const fs = require("fs"), vm = require("vm");
const [script, endpoint, steps] = process.argv.slice(1);
class Node {
  constructor(parts = []) {
    this.parts = parts; this.dataset = {}; this.children = []; this.listeners = {}; this.textContent = "";
  }
  cloneNode() {
    return Object.assign(new Node(this.parts.map(part => part.cloneNode())), {dataset: {...this.dataset}});
  }
  querySelectorAll() { return this.parts; }
  addEventListener(type, then) { this.listeners[type] = then; }
  replaceChildren(...children) { this.children = children; }
}
const stored = {};
const page = {
  console, URL, crypto, setTimeout, clearTimeout, Promise, JSON, Object, Array, Date, Math, Uint8Array,
  encodeURIComponent, location: {href: "http://shop.example/page"}, listeners: {},
  requests: [], answers: [], observed: [],
  addEventListener: (type, then) => { page.listeners[type] = then; },
  localStorage: {getItem: k => stored[k] ?? null, setItem: (k, v) => { stored[k] = v; }},
  fetch: (url, options) => {
    page.requests.push({url, headers: options.headers, body: JSON.parse(options.body), keepalive: options.keepalive});
    const planned = page.answers.shift();
    if (planned === "down") return Promise.reject(new Error("no network"));
    return planned ? Promise.resolve({ok: false, status: planned}) : fetch(url, options);
  },
};
page.window = page;
page.document = {currentScript: {dataset: {endpoint, key: "hk_page"}, src: ""}, querySelector: () => null};
page.IntersectionObserver = page.window.IntersectionObserver = class {
  constructor(then) {
    page.seen = (nodes, intersectionRatio = 1) => then(nodes.map(target => ({target, intersectionRatio})));
  }
  observe(node) { page.observed.push(node); }
  unobserve() {}
};
page.stored = stored; page.Node = Node;
const name = new Node(), card = new Node([name]);
name.dataset.field = "name"; card.dataset.link = "/p/{id}";
page.template = {content: {firstElementChild: card}};
page.into = new Node();
page.sleep = ms => new Promise(done => setTimeout(done, ms));
vm.createContext(page);
vm.runInContext(fs.readFileSync(script, "utf8"), page);
vm.runInContext(`(async () => { ${steps} })()`, page)
  .then(found => { console.log(JSON.stringify(found)); process.exit(0); })
  .catch(error => { console.error(error); process.exit(1); });
"""


@pytest.fixture
def shop(stores, tmp_path):
    for connect, url in ((connect_live, stores.live_url), (connect_stream, stores.stream_url)):
        with connect(url) as client:
            client.flushall()
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    settings = settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", **urls)
    # A page's clock is not the shop's: this shop stands in the past, as a demo does.
    with storefront(home, now=AS_OF + 60, settings=settings) as running:
        yield running


def in_page(shop, steps):
    endpoint = str(shop.client.base_url).rstrip("/")
    done = subprocess.run(
        ["node", "-e", PAGE, str(SCRIPT), endpoint, steps], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def events(stores):
    with connect_stream(stores.stream_url) as client:
        found = [fields[b"rows"] for _, fields in client.xrange("default:stream") if fields[b"kind"] == b"events"]
    return [json.loads(line) for each in found for line in each.splitlines()]


def test_the_script_is_small_and_is_not_sent_twice(shop):
    answer = shop.get("/hawker.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert 1_000 < len(answer.content) < 5_000
    again = shop.client.get("/hawker.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    weak = shop.client.get("/hawker.js", headers={"If-None-Match": f'"old", W/{answer.headers["etag"]}'})
    assert weak.status_code == 304


@needs_node
def test_a_list_is_shown_and_what_is_seen_and_clicked_is_told(shop, stores):
    found = in_page(
        shop,
        """
        const answer = await hawker.recommend({placement: "home", limit: 3, into, template});
        seen([into.children[1]]);
        into.children[2].listeners.click();
        await sleep(1300);
        await hawker.flush();
        await sleep(200);
        const shown = into.children.map(each => [each.parts[0].textContent, each.href]);
        const key = requests[0].headers.Authorization;
        return {answer, shown, key, session: hawker.session(), left: stored["hawker.queue"]};
        """,
    )
    items = found["answer"]["items"]
    assert found["shown"] == [[each["fields"]["name"], f"/p/{each['id']}"] for each in items]
    assert found["key"] == "Bearer hk_page"
    assert found["left"] == "[]"
    click, exposure = sorted(events(stores), key=lambda each: each["type"])
    for event, place in ((click, 2), (exposure, 1)):
        assert event["recommendation_id"] == found["answer"]["recommendation_id"]
        assert (event["item_id"], event["session_id"]) == (items[place]["id"], found["session"])
        assert json.loads(event["properties"]) == {"placement": "home", "position": place}
    assert (click["type"], exposure["type"]) == ("click", "exposure")


@needs_node
def test_what_could_not_be_sent_is_sent_later_once_and_what_is_refused_is_not(shop, stores):
    found = in_page(
        shop,
        """
        answers.push("down", 503, 400);
        hawker.track("view", {item_id: "i1"});
        await hawker.flush(); await hawker.flush();
        const waiting = JSON.parse(stored["hawker.queue"]).length;
        await hawker.flush();
        const refused = JSON.parse(stored["hawker.queue"]).length;
        hawker.track("view", {item_id: "i2"});
        answers.push("down");
        await hawker.flush(); await hawker.flush();
        return {waiting, refused, sent: requests.map(each => each.body.events[0].event_id)};
        """,
    )
    assert (found["waiting"], found["refused"]) == (1, 0)
    assert len(set(found["sent"])) == 2
    (event,) = events(stores)
    assert event["item_id"] == "i2"


@needs_node
def test_nothing_reaches_the_page_when_the_shop_is_away_or_storage_is_refused(shop):
    found = in_page(
        shop,
        """
        localStorage.getItem = localStorage.setItem = () => { throw new Error("refused"); };
        answers.push("down");
        const nothing = await hawker.recommend({into, template});
        hawker.track("view", {get item_id() { throw new Error("odd"); }});
        hawker.track("view", {item_id: "i1"});
        const session = hawker.session();
        await hawker.flush();
        return {nothing, same: session === hawker.session(), shown: into.children.length};
        """,
    )
    assert found == {"nothing": None, "same": True, "shown": 0}


@needs_node
def test_the_queue_is_bounded(shop):
    assert in_page(
        shop,
        """
        for (let n = 0; n < 300; n++) hawker.track("view", {item_id: "i" + n});
        const queue = JSON.parse(stored["hawker.queue"]);
        return [queue.length, queue[199].item_id];
        """,
    ) == [200, "i299"]


@needs_node
def test_less_than_half_or_a_page_in_the_background_is_not_seen(shop):
    assert (
        in_page(
            shop,
            """
            await hawker.recommend({limit: 3, into, template});
            const [part, hidden] = into.children;
            seen([part], 0.4);
            seen([hidden]);
            document.hidden = true;
            await sleep(1100);
            return [stored["hawker.queue"] ?? "none", observed.filter(each => each === hidden).length];
            """,
        )
        == ["none", 2]  # looked at again, when the page comes to the front
    )


@needs_node
def test_a_function_makes_the_elements_and_one_that_fails_leaves_the_page_as_it_was(shop):
    found = in_page(
        shop,
        """
        console.warn = () => {};
        const make = (item, place) => Object.assign(new Node(), {textContent: place + item.id});
        await hawker.recommend({limit: 2, into, template: make});
        const shown = into.children.map(each => each.textContent);
        const fails = () => { throw new Error("the shop's own"); };
        const answer = await hawker.recommend({limit: 2, into, template: fails});
        return {shown, after: into.children.map(each => each.textContent), ids: answer.items.map(each => each.id)};
        """,
    )
    assert found["shown"] == found["after"] == [f"{place}{item}" for place, item in enumerate(found["ids"])]


@needs_node
def test_an_event_that_waited_tells_its_time_and_one_that_did_not_gets_the_shops(shop):
    found = in_page(
        shop,
        """
        const old = {event_id: "o", type: "view", item_id: "i1", session_id: "s", time: "2020-01-01T00:00:00.000Z"};
        stored["hawker.queue"] = JSON.stringify([old]);
        hawker.track("view", {item_id: "i2"});
        await hawker.flush();
        return requests[0].body.events.map(each => each.time ?? null);
        """,
    )
    assert found == ["2020-01-01T00:00:00.000Z", None]


@needs_node
def test_what_cannot_be_sent_never_blocks_what_can(shop, stores):
    found = in_page(
        shop,
        """
        hawker.track("view", {item_id: "i1", properties: {custom: {odd: 1n}}});
        stored["hawker.queue"] = "{broken";
        hawker.track("search", {properties: {query: "x".repeat(25000)}});
        await hawker.flush();
        localStorage.setItem = () => { throw new Error("full"); };
        hawker.track("view", {item_id: "i2"});
        await hawker.flush();
        hawker.track("view", {item_id: "i3"});
        await hawker.flush();
        return requests.map(each => [each.keepalive, each.body.events.length]);
        """,
    )
    assert found == [[False, 1], [True, 1], [True, 1]]
    assert [each["item_id"] for each in events(stores) if each["type"] == "view"] == ["i2", "i3"]
