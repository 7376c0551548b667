"""Digest, architectures and entrypoint of a container image, from its registry.

Private ECR repositories are read with the ECR API, others without login with the OCI distribution protocol
(https://github.com/opencontainers/distribution-spec/blob/main/spec.md).
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Protocol

from hpc.contract import objects

TIMEOUT_S = 10
MAX_BYTES = 4 << 20
"""The protocol's limit for a manifest; configurations are smaller."""

_MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
_REFERENCE = re.compile(
    r"(?P<repository>[a-z0-9][a-z0-9.:-]*\.[a-z0-9.:-]+(/[a-z0-9][a-z0-9._-]*)+)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_ECR = re.compile(objects.ECR_PATTERN)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class ImageNotFound(Exception):  # noqa: N818 - an answer of the registry
    """The registry has no such image."""


class RegistryUnavailable(Exception):  # noqa: N818
    """The registry gave no usable answer; the text is the reason."""


class _LoginRequired(RegistryUnavailable):
    def __init__(self, host: str, challenge: str) -> None:
        super().__init__(f"{host} requires a login")
        self.challenge = challenge


@dataclass(frozen=True)
class Reference:
    """The name of an image: `registry/name:tag` or `registry/name@sha256:...`."""

    repository: str
    """With registry, without tag."""
    tag: str
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> Reference | None:
        """Parse a reference; None if it is not one with a registry."""
        match = _REFERENCE.fullmatch(text)
        return cls(match["repository"], match["tag"] or "latest", match["digest"]) if match else None

    @property
    def registry(self) -> str:
        return self.repository.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image that exists."""

    uri: str
    """With digest."""
    architectures: tuple[str, ...] = ()
    """EC2's names; empty if unknown."""
    entrypoint: tuple[str, ...] | None = None
    """None if unknown."""


class _Source(Protocol):
    def manifest(self, reference: str) -> tuple[str, bytes]:
        """Return digest and text."""
        ...

    def blob(self, digest: str) -> bytes: ...


def look_up(reference: Reference, architecture: str | None, ecr: Callable[[str], Any]) -> Image:
    """Read the description of an image from its registry.

    Args:
        architecture: of the instances; the entrypoint of a multi-architecture image is that of this one.
        ecr: creates a client for a Region.

    Raises:
        ImageNotFound: there is no such image.
        RegistryUnavailable: the registry gave no usable answer.
    """
    try:
        private = _ECR.fullmatch(reference.repository)
        if private:
            source: _Source = _Ecr(ecr(private[2]), private[1], private[3])
        else:
            source = _Http(reference)
        return _read(reference, architecture, source)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RegistryUnavailable(f"{reference.registry} returned something other than an image") from None


def _read(reference: Reference, architecture: str | None, source: _Source) -> Image:
    digest, text = source.manifest(reference.digest or reference.tag)
    try:
        return _described(f"{reference.repository}@{digest}", json.loads(text), architecture, source)
    except ImageNotFound:
        raise RegistryUnavailable(f"{reference.registry} lacks parts of the image") from None


def _described(uri: str, manifest: dict[str, Any], architecture: str | None, source: _Source) -> Image:
    if "manifests" not in manifest:
        config = json.loads(source.blob(manifest["config"]["digest"]))
        return Image(uri=uri, architectures=_known([config["architecture"]]), entrypoint=_entrypoint(config))
    linux: dict[str, str] = {
        item["platform"]["architecture"]: item["digest"]
        for item in manifest["manifests"]
        if item.get("platform", {}).get("os") == "linux"
    }
    chosen = next((where for name, where in linux.items() if _ARCHITECTURES.get(name) == architecture), None)
    entrypoint = None
    if chosen:
        manifest = json.loads(source.manifest(chosen)[1])
        entrypoint = _entrypoint(json.loads(source.blob(manifest["config"]["digest"])))
    return Image(uri=uri, architectures=_known(linux), entrypoint=entrypoint)


def _known(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_ARCHITECTURES.get(name, name) for name in names))


def _entrypoint(config: dict[str, Any]) -> tuple[str, ...]:
    return tuple(config.get("config", {}).get("Entrypoint") or ())


class _Ecr:
    """A private repository of ECR."""

    def __init__(self, client: Any, account: str, name: str) -> None:
        self._client, self._account, self._name = client, account, name

    def manifest(self, reference: str) -> tuple[str, bytes]:
        image_id = {"imageDigest" if reference.startswith("sha256:") else "imageTag": reference}
        answer = self._call(
            lambda: self._client.batch_get_image(
                registryId=self._account,
                repositoryName=self._name,
                imageIds=[image_id],
                acceptedMediaTypes=_MANIFESTS,
            )
        )
        if not answer.get("images"):
            raise ImageNotFound
        image = answer["images"][0]
        return image["imageId"]["imageDigest"], image["imageManifest"].encode()

    def blob(self, digest: str) -> bytes:
        answer = self._call(
            lambda: self._client.get_download_url_for_layer(
                registryId=self._account, repositoryName=self._name, layerDigest=digest
            )
        )
        return _checked(_get(urllib.request.Request(answer["downloadUrl"])), digest)  # noqa: S310 - ECR's own

    @staticmethod
    def _call(ask: Callable[[], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return ask()
        except ClientError as error:
            details = error.response.get("Error", {})
            if details.get("Code") == "RepositoryNotFoundException":
                raise ImageNotFound from None
            raise RegistryUnavailable(f"ECR answered {details.get('Code')}: {details.get('Message')}") from None
        except BotoCoreError as error:
            raise RegistryUnavailable(str(error)) from None


class _Http:
    """A repository of another registry, read without login; without TLS only on this machine."""

    def __init__(self, reference: Reference) -> None:
        host, _, self._name = reference.repository.partition("/")
        # The registry of Docker Hub has another host name than its references.
        self._host = "registry-1.docker.io" if host == "docker.io" else host
        self._scheme = "http" if _is_loopback(host) else "https"
        self._token: str | None = None

    def manifest(self, reference: str) -> tuple[str, bytes]:
        text = self._get(f"manifests/{reference}", ", ".join(_MANIFESTS))
        return (reference, _checked(text, reference)) if ":" in reference else (_digest(text), text)

    def blob(self, digest: str) -> bytes:
        return _checked(self._get(f"blobs/{digest}", "*/*"), digest)

    def _get(self, path: str, accept: str) -> bytes:
        url = f"{self._scheme}://{self._host}/v2/{self._name}/{path}"
        request = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": "hpc-batch"})  # noqa: S310
        if self._token:
            # Blobs are behind a redirect to another host, which refuses a second authorization.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            return _get(request)
        except _LoginRequired as refusal:
            if self._token is None and refusal.challenge.lower().startswith("bearer "):
                self._token = self._fetch_token(dict(_PARAMETER.findall(refusal.challenge)))
                return self._get(path, accept)
            raise

    def _fetch_token(self, challenge: dict[str, str]) -> str:
        """Get an anonymous pull token
        (https://distribution.github.io/distribution/spec/auth/token/)."""
        realm = challenge["realm"]
        if not realm.startswith("https://") and self._scheme == "https":
            raise RegistryUnavailable(f"{self._host} names a token server that does not use https: {realm}")
        query = {"service": challenge.get("service", ""), "scope": f"repository:{self._name}:pull"}
        answer = json.loads(_get(urllib.request.Request(f"{realm}?{urllib.parse.urlencode(query)}")))  # noqa: S310
        return answer.get("token") or answer["access_token"]


def _get(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http(s), made above
            return answer.read(MAX_BYTES)
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise _LoginRequired(request.host, error.headers.get("WWW-Authenticate", "")) from None
        if error.code == 404:
            raise ImageNotFound from None
        raise RegistryUnavailable(f"{request.host} answered {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise RegistryUnavailable(f"{request.host}: {error}") from None


def _digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _checked(text: bytes, digest: str) -> bytes:
    if _digest(text) != digest:
        raise RegistryUnavailable(f"the content received for {digest} is something else")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition(":")[0]).is_loopback
    except ValueError:
        return False
