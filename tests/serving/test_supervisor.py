"""Real processes: ready, killed, restarted, stopped, orphaned."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from engine.errors import BadInput, BundleUnusable, NotAllowed, StoreUnavailable
from engine.settings import read_settings
from engine.storage import releases
from engine.storage.embedded import STORES
from engine.storage.home import Home
from engine.storage.lake import Lake
from serving.supervisor import serve
from tests.bundles import toy_bundle
from tests.serving.conftest import eventually, publish
from tests.serving.marketing.endpoint import endpoint, is_signed

ROOT = Path(__file__).resolve().parents[2]
SERVE = """
import os
from engine.settings import read_settings
from serving.supervisor import serve
print_to_parent = lambda address: os.write(1, (address.api + "\\n").encode())
serve(read_settings(os.environ), need=os.environ["NEED"].split(), on_ready=print_to_parent)
"""
BANNED = {
    "mlflow", "implicit", "lightfm", "lightgbm", "pandas", "sklearn", "deltalake", "duckdb", "pyarrow",
    "nicegui", "training", "experiments", "serving.marketing", "serving.marketing_app",
    # Where SciPy is there Numba loads its linear algebra; a storefront's own installation has none.
    "scipy.sparse", "scipy.stats", "scipy.optimize",
}  # fmt: skip


def settings(home, **values):
    return read_settings({"HAWKER_HOME": str(home.root), "HAWKER_PORT": "0", "HAWKER_MARKETING_PORT": "0"} | values)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextlib.contextmanager
def supervised(home, *, workers=1, port=0, marketing_port=0, need=()):
    """A supervisor in a process of its own; gives the process and the address that it reported."""
    environment = os.environ | {
        "NEED": " ".join(need),
        "HAWKER_HOME": str(home.root),
        "HAWKER_PORT": str(port),
        "HAWKER_MARKETING_PORT": str(marketing_port),
        "HAWKER_WORKERS": str(workers),
        "HAWKER_ACCESS_LOG": "off",
        "HAWKER_WEBHOOK_PRIVATE": "on",
    }
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        family = []
        try:
            url = process.stdout.readline().decode().strip()
            assert url, process.stderr.read().decode()
            family = psutil.Process(process.pid).children()
            yield process, url
        finally:
            process.kill()
            for each in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.wait(12)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    return home


def children(process):
    return [each for each in psutil.Process(process.pid).children() if each.status() != psutil.STATUS_ZOMBIE]


def answers(url):
    try:
        return httpx.get(f"{url}/health/live", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def test_a_process_that_is_killed_is_started_again(home):
    with supervised(home, workers=2) as (process, url):
        first = children(process)
        assert len(first) == 2
        os.kill(first[0].pid, signal.SIGKILL)
        eventually(lambda: len(children(process)) == 2 and first[0] not in children(process))
        for _ in range(20):
            assert httpx.get(f"{url}/v1/trending").status_code == 200
        page = httpx.get(f"{url}/metrics").text
    assert 'hawker_requests_total{method="GET",route="/v1/trending",status="200"} ' in page


def test_the_figures_of_one_process_count_for_all(home):
    with supervised(home, workers=2) as (_, url):
        for _ in range(40):
            httpx.get(f"{url}/v1/trending")  # a connection each, so that both processes get some
        wanted = 'hawker_requests_total{method="GET",route="/v1/trending",status="200"} 40.0'
        eventually(lambda: wanted in httpx.get(f"{url}/metrics").text)
        for _ in range(6):
            assert wanted in httpx.get(f"{url}/metrics").text


def test_sigterm_lets_requests_finish_and_leaves_nothing(home):
    with supervised(home, workers=2) as (process, url):
        family = children(process)
        refused, over = [], threading.Event()

        def shopper():
            while not over.is_set():
                try:
                    status = httpx.get(f"{url}/v1/users/u5/recommendations?limit=100&explain=true").status_code
                    if status != 200:
                        refused.append(status)
                except httpx.ConnectError:
                    return  # nobody listens any more: that is the end
                except httpx.TransportError as error:
                    # Accepted by the kernel and not yet by a process: the request never was in flight.
                    if not isinstance(error, (httpx.ReadError, httpx.RemoteProtocolError)):
                        refused.append(repr(error))
                    return

        shoppers = [threading.Thread(target=shopper) for _ in range(3)]
        for each in shoppers:
            each.start()
        time.sleep(0.3)
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 10
        over.set()
        for each in shoppers:
            each.join()
        assert not refused
        assert not any(each.is_running() for each in family)
        assert not answers(url)


def test_a_request_in_flight_at_sigterm_is_answered(home):
    with supervised(home) as (process, url):
        host, port = url.removeprefix("http://").split(":")
        body = b'{"user_id": "u5"}'
        head = (
            b"POST /v1/recommendations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        )
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head % len(body) + b"\r\n" + body[:5])
            time.sleep(0.3)
            process.terminate()
            time.sleep(0.5)
            connection.sendall(body[5:])
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert process.wait(10) == 0


def test_a_supervisor_killed_outright_leaves_no_process_on_the_port(home):
    port = free_port()
    with supervised(home, workers=2, port=port) as (process, url):
        family = children(process)
        process.kill()
        process.wait()
        for each in family:
            each.wait(10)
        assert not answers(url)
        with supervised(home, port=port) as (_, again):
            assert answers(again)


def test_a_publish_reaches_every_process(home):
    with supervised(home, workers=2) as (_, url):
        publish(home, toy_bundle())
        eventually(lambda: "hawker_bundle_version 2.0" in httpx.get(f"{url}/metrics").text)
        assert {httpx.get(f"{url}/v1/trending").json()["bundle_version"] for _ in range(20)} == {2}


def test_a_taken_port_is_told_with_what_to_do(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match="HAWKER_PORT") as refused:
            serve(settings(home, HAWKER_PORT=str(port)))
    assert refused.value.code == "cannot_listen"


@pytest.mark.parametrize("values", [{"HAWKER_PORT": "99999"}, {"HAWKER_HOST": "203.0.113.1"}, {"HAWKER_WORKERS": "0"}])
def test_an_address_or_number_that_cannot_be_is_refused(home, values):
    with pytest.raises(BadInput):
        serve(settings(home, **values))


def test_a_shop_that_has_published_nothing_says_so_and_recommends_from_its_first_publish_on(tmp_path):
    home = Home(tmp_path / "home")
    with supervised(home) as (_, url):
        assert httpx.get(f"{url}/health/ready").json()["status"] == "nothing published"
        refused = httpx.get(f"{url}/v1/trending")
        assert (refused.status_code, refused.json()["code"]) == (503, "nothing_published")
        publish(home, toy_bundle())
        eventually(lambda: httpx.get(f"{url}/v1/trending").status_code == 200)


def test_a_bundle_that_cannot_be_served_stops_the_start_with_its_reason(home):
    path = releases.version_folder(home, 1) / "factors.items.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleUnusable, match=r"factors\.items\.npy .* truncated or altered"):
        serve(settings(home), need=())


def command_of(process):
    """Nothing for one that ended meanwhile, as stores do that are being started again."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_an_event_goes_all_the_way_and_killed_stores_and_workers_come_back(tmp_path):
    home = Home(tmp_path / "home")

    def send(number):
        event = {"event_id": f"e{number}", "type": "view", "user_id": "u", "item_id": "i"}
        try:
            return httpx.post(f"{url}/v1/events", json={"events": [event]}, timeout=10).status_code
        except httpx.TransportError:
            return 0

    def stored():
        return sorted(Lake(home).events(["event_id"])["event_id"].to_pylist())

    with supervised(home, need=STORES) as (process, url):
        assert send(1) == 200
        for place in ("valkey-stream", "valkey-live"):
            os.kill(int((home.stores / place / "valkey.pid").read_text()), signal.SIGKILL)
        eventually(lambda: send(2) == 200)
        (worker,) = [each for each in children(process) if "serving.worker_process" in command_of(each)]
        worker.kill()
        assert send(3) == 200
        eventually(lambda: stored() == ["e1", "e2", "e3"], within=30)
        page = httpx.get(f"{url}/metrics").text
        assert "hawker_stream_entries 0.0" in page
    assert stored() == ["e1", "e2", "e3"]


def test_a_storefront_process_loads_no_library_of_training(home):
    code = (
        "import sys; from pathlib import Path; from engine.storage.home import Home; import serving.storefront_process;"
        "from serving.runtime import Runtime; from serving.app import create_app;"
        f"create_app(Runtime(Home(Path({str(home.root)!r})))).openapi();"
        "print(*sorted({m.split('.')[0] for m in sys.modules} | set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert {"faiss", "fastapi", "serving"} <= loaded
    assert not loaded & BANNED


def test_storefronts_that_began_before_the_stores_end_where_these_cannot_start(home):
    given = settings(home, HAWKER_STREAM_URL="redis://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match="stream"):
        serve(given, need={"stream"})
    assert [each for each in psutil.Process().children() if "storefront_process" in " ".join(each.cmdline())] == []


def test_a_shop_that_was_served_before_recommends_while_its_stores_start(home):
    with supervised(home, need=("live",)) as (_, url):
        assert httpx.get(f"{url}/v1/users/u5/recommendations").status_code == 200
    answered, stop = [], threading.Event()

    def ask(port):
        while not stop.is_set():
            with contextlib.suppress(httpx.TransportError):
                answered.append(httpx.get(f"http://127.0.0.1:{port}/v1/users/u5/recommendations").status_code)

    port = free_port()
    asking = threading.Thread(target=ask, args=(port,))
    asking.start()
    try:
        with supervised(home, port=port, need=("live",)):
            eventually(lambda: len(answered) > 3)
    finally:
        stop.set()
        asking.join()
    assert set(answered) == {200}


def test_nobody_listens_beyond_this_machine_without_keys(home):
    with pytest.raises(NotAllowed) as refused:
        serve(settings(home, HAWKER_HOST="0.0.0.0"), need=())
    assert (refused.value.code, refused.value.field) == ("no_keys", "HAWKER_HOST")


def test_marketing_answers_beside_the_storefront_and_comes_back_when_killed(tmp_path):
    home, port = Home(tmp_path / "home"), free_port()
    with supervised(home, marketing_port=port, need=STORES) as (process, _):
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/health/ready").json()["status"] == "ready"
        (marketing,) = [each for each in children(process) if "serving.marketing_process" in command_of(each)]
        marketing.kill()
        eventually(lambda: answers(url))
        with endpoint() as there:
            made = httpx.post(f"{url}/v1/webhooks", json={"url": there.url, "events": ["webhook.test"]}).json()
            assert httpx.post(f"{url}/v1/webhooks/{made['webhook_id']}/test").status_code == 202
            eventually(lambda: there.got)
        assert is_signed(made["secret"], *there.got[0])


def test_a_taken_port_of_marketing_is_told_with_what_to_do(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"HAWKER_MARKETING_PORT": str(taken.getsockname()[1])}
        with pytest.raises(BadInput, match="HAWKER_MARKETING_PORT"):
            serve(settings(home, **values), need=STORES)
