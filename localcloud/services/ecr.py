"""Container images in the emulated ECR: push a minimal one, look one up by its URI."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import ecr

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

_download_url = ecr._get_download_url_for_layer


class ImageError(Exception):
    """An image cannot be pushed or pulled; the text of a failed pull is the reason that ECS reports."""


def split_uri(uri: str) -> tuple[str, str, str]:
    """Split `HOST/NAME[:TAG][@DIGEST]` into host, name and reference (digest, else tag, else "latest")."""
    host, _, rest = uri.partition("/")
    name, _, digest = rest.partition("@")
    name, _, tag = name.partition(":")
    return host, name, digest or tag or "latest"


def image_config(uri: str) -> dict[str, Any]:
    """Return the runtime configuration ("Entrypoint", "Cmd", "Env", "WorkingDir") of an image.

    Raises:
        ImageError: the emulated ECR does not hold it.
    """
    return find_image(uri)[1]


def find_image(uri: str) -> tuple[str, dict[str, Any]]:
    """Return digest and runtime configuration of an image.

    Raises:
        ImageError: the emulated ECR does not hold it.
    """
    host, name, reference = split_uri(uri)
    scope = ecr._registry_scope_hint(host)
    if scope is None:
        raise ImageError(
            f"CannotPullContainerError: the local cloud pulls from its own ECR only, and {uri!r} is elsewhere"
        )
    with request_scope(*scope):
        if name not in ecr._repositories:
            raise ImageError(
                "CannotPullContainerError: Error response from daemon: name unknown: The repository with name "
                f"'{name}' does not exist in the registry with id '{scope[0]}'"
            )
        image_digest, manifest, _ = ecr._resolve_manifest(name, reference)
        if image_digest is None or not manifest:
            raise ImageError(
                f"CannotPullContainerError: Error response from daemon: manifest for {uri} not found: manifest "
                "unknown: Requested image not found"
            )
        digest = json.loads(manifest)["config"]["digest"]
        blob = ecr._layer_blobs.get(name, {}).get(digest)
    if blob is None:
        raise ImageError(f"CannotPullContainerError: blob {digest} of {uri} was never pushed")
    return image_digest, json.loads(blob).get("config", {})


def install(url: str) -> None:
    """Make ECR return download URLs of this server; those of ministack are on the internet."""

    def download_url(data: dict[str, Any]) -> Any:
        status, headers, body = _download_url(data)
        answer = json.loads(body)
        if "downloadUrl" in answer:
            where = urllib.parse.urlsplit(answer["downloadUrl"])
            answer["downloadUrl"] = f"{url}{where.path}?{urllib.parse.urlencode({'ns': where.netloc})}"
        return status, headers, json.dumps(answer).encode()

    ecr._get_download_url_for_layer = download_url


def push(
    endpoint: str,
    repository: str,
    tag: str,
    entrypoint: Sequence[str],
    env: Sequence[str] = (),
    architecture: str = "amd64",
) -> str:
    """Push an image without files through the registry protocol and return its digest.

    The same arguments give the same digest, so pushing twice is harmless even with immutable tags.

    Raises:
        ImageError: the registry refuses it; the text says why.
    """
    host, name, _ = split_uri(repository)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w"):
        pass
    layer = gzip.compress(buffer.getvalue(), mtime=0)
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": list(entrypoint), "Env": list(env)},
            "rootfs": {"type": "layers", "diff_ids": [_digest(buffer.getvalue())]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": _digest(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": _digest(layer), "size": len(layer)}],
        }
    ).encode()
    base = f"{endpoint.rstrip('/')}/v2/{name}"
    for blob in (layer, config):
        query = urllib.parse.urlencode({"digest": _digest(blob), "ns": host})
        _send("POST", f"{base}/blobs/uploads/?{query}", blob, "application/octet-stream")
    _send("PUT", f"{base}/manifests/{tag}?{urllib.parse.urlencode({'ns': host})}", manifest, MANIFEST)
    return _digest(manifest)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _send(method: str, url: str, body: bytes, media_type: str) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": media_type}, method=method)  # noqa: S310 - own endpoint
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        raise ImageError(f"{method} {url}: {error.code} {error.read().decode(errors='replace')}") from None
    except OSError as error:
        raise ImageError(f"{method} {url}: {error}. Is `python -m localcloud serve` running there?") from None
