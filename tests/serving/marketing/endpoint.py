"""An endpoint of webhooks for tests: a real HTTP server that notes what it gets and answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Endpoint:
    """`answers` are statuses, one a message and the last for all more; "hang" and "drip" never end."""

    def __init__(self, *answers):
        self.answers = list(answers or [200])
        self.got = []
        self.over = threading.Event()
        endpoint = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                endpoint.got.append((dict(self.headers), body))
                answer = endpoint.answers.pop(0) if len(endpoint.answers) > 1 else endpoint.answers[0]
                if answer == "hang":
                    endpoint.over.wait(30)
                elif answer == "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
                    while not endpoint.over.wait(0.1):
                        self.wfile.write(b"x")
                else:
                    self.send_response(answer)
                    self.send_header("location", "/elsewhere")
                    self.send_header("content-length", "0")
                    self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # whoever was cut off is no news
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?shop=1"

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.got]


@contextmanager
def endpoint(*answers):
    running = Endpoint(*answers)
    thread = threading.Thread(target=running.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield running
    finally:
        running.over.set()
        running.server.shutdown()
        thread.join()
        running.server.server_close()


def is_signed(secret, headers, body):
    """As Standard Webhooks tells receivers to check it."""
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 300
    key = base64.b64decode(secret.removeprefix("whsec_"))
    told = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split(" ")
