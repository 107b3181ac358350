"""Servers that stand for stock SGLang servers behind a router, and note what they get."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from launch.bench.stand import HOST


class NotingServer(ThreadingHTTPServer):
    """Is well whenever it is asked, and answers calls as :meth:`reply` says."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.url = f"http://{HOST}:{self.server_port}"

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a call, in a thread of its own."""
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: NotingServer

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._reply({"status": "ok", "model_path": "m", "is_generation": True, "version": "0.5.21"})

    def do_POST(self) -> None:
        self._reply(self.server.reply(json.loads(self.rfile.read(int(self.headers["content-length"])))))

    def _reply(self, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(servers: Sequence[NotingServer]) -> Iterator[None]:
    """Let ``servers`` serve, and close them in the end."""
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
