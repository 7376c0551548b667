"""A container registry on loopback: the protocol of real ones, with token, redirected blobs and images for several."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "for-everybody"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class TinyRegistry:
    """Holds images of which nothing but manifest and configuration is real."""

    port: int = 0
    broken: bool = False
    """Answer every request with 503."""
    content: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Manifests and configurations by path."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def push(self, name: str, tag: str, entrypoint: list[str], *architectures: str) -> str:
        """Add an image, or one for several architectures; return its digest."""
        manifests = [(item, self._push_one(name, entrypoint, item)) for item in architectures]
        digest = manifests[0][1]
        if len(manifests) > 1:
            listed = [{"digest": where, "platform": {"os": "linux", "architecture": item}} for item, where in manifests]
            # Builders add attestations next to the images.
            listed.append({"digest": digest, "platform": {"os": "unknown", "architecture": "unknown"}})
            digest = self._put(name, {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
        self.content[f"{name}/manifests/{tag}"] = self.content[f"{name}/manifests/{digest}"]
        return digest

    def _push_one(self, name: str, entrypoint: list[str], architecture: str) -> str:
        config = json.dumps(
            {"architecture": architecture, "os": "linux", "config": {"Entrypoint": entrypoint}}
        ).encode()
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        self.content[f"{name}/blobs/{digest}"] = config
        return self._put(name, {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": digest}, "layers": []})

    def _put(self, name: str, manifest: dict[str, Any]) -> str:
        text = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        self.content[f"{name}/manifests/{digest}"] = text
        return digest


@contextmanager
def tiny_registry() -> Iterator[TinyRegistry]:
    registry = TinyRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if registry.broken:
                self._answer(503)
            elif url.path == "/token":
                scope = parse_qs(url.query)["scope"][0]
                self._answer(200, json.dumps({"token": f"{TOKEN} {scope}"}).encode())
            elif url.path.startswith("/storage/"):
                # As S3: a signed address and an Authorization header are one too many.
                known = registry.content.get(url.path.removeprefix("/storage/"))
                self._answer(400 if self.headers["Authorization"] or known is None else 200, known or b"")
            else:
                self._protocol(url.path.removeprefix("/v2/"))

        def _protocol(self, path: str) -> None:
            name = path.rpartition("/")[0].rpartition("/")[0]
            if self.headers["Authorization"] != f"Bearer {TOKEN} repository:{name}:pull":
                challenge = f'Bearer realm="http://{registry.host}/token",service="tiny",scope="whatever"'
                self._answer(401, headers={"WWW-Authenticate": challenge})
            elif path not in registry.content:
                self._answer(404)
            elif "/blobs/" in path:
                self._answer(307, headers={"Location": f"http://{registry.host}/storage/{path}"})
            else:
                self._answer(200, registry.content[path])

        def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
