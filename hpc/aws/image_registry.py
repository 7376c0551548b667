"""What a registry says of a container image: its digest, its architectures, what it starts.

Private repositories of ECR are asked by the API of ECR, others without login by the protocol that all registries speak
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
"""Of a manifest, as the protocol has it; configurations are smaller."""

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


class ImageNotFound(Exception):  # noqa: N818 - the registry's answer, no accident
    """The registry has no such image."""


class RegistryUnavailable(Exception):  # noqa: N818
    """The registry did not say; the text is why."""


class _LoginWanted(RegistryUnavailable):
    def __init__(self, host: str, challenge: str) -> None:
        super().__init__(f"{host} wants a login")
        self.challenge = challenge


@dataclass(frozen=True)
class Reference:
    """What a person calls an image: `registry/name:tag`, `registry/name@sha256:...`."""

    repository: str
    """With registry, without tag."""
    tag: str
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> Reference | None:
        """Read it; None if it is no reference with a registry."""
        found = _REFERENCE.fullmatch(text)
        return cls(found["repository"], found["tag"] or "latest", found["digest"]) if found else None

    @property
    def registry(self) -> str:
        return self.repository.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image that is there."""

    uri: str
    """By digest."""
    architectures: tuple[str, ...] = ()
    """As EC2 calls them; empty where nobody said."""
    entrypoint: tuple[str, ...] | None = None
    """None where nobody said."""


class _Source(Protocol):
    def manifest(self, reference: str) -> tuple[str, bytes]:
        """Return digest and text."""
        ...

    def blob(self, digest: str) -> bytes: ...


def look_up(reference: Reference, architecture: str | None, ecr: Callable[[str], Any]) -> Image:
    """Ask the registry.

    Args:
        architecture: of the instances; of an image for several, its entrypoint is read there.
        ecr: makes a client for a Region.

    Raises:
        ImageNotFound: there is no such image.
        RegistryUnavailable: the registry did not say.
    """
    try:
        private = _ECR.fullmatch(reference.repository)
        if private:
            source: _Source = _Ecr(ecr(private[2]), private[1], private[3])
        else:
            source = _Http(reference)
        return _read(reference, architecture, source)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RegistryUnavailable(f"{reference.registry} answers with something that is no image") from None


def _read(reference: Reference, architecture: str | None, source: _Source) -> Image:
    digest, text = source.manifest(reference.digest or reference.tag)
    try:
        return _described(f"{reference.repository}@{digest}", json.loads(text), architecture, source)
    except ImageNotFound:
        raise RegistryUnavailable(f"{reference.registry} has lost parts of the image") from None


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
        image = {"imageDigest" if reference.startswith("sha256:") else "imageTag": reference}
        answer = self._call(
            lambda: self._client.batch_get_image(
                registryId=self._account,
                repositoryName=self._name,
                imageIds=[image],
                acceptedMediaTypes=_MANIFESTS,
            )
        )
        if not answer.get("images"):
            raise ImageNotFound
        found = answer["images"][0]
        return found["imageId"]["imageDigest"], found["imageManifest"].encode()

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
            raise RegistryUnavailable(f"ECR answers {details.get('Code')}: {details.get('Message')}") from None
        except BotoCoreError as error:
            raise RegistryUnavailable(str(error)) from None


class _Http:
    """A repository of another registry, asked without login, and without TLS on this machine alone."""

    def __init__(self, reference: Reference) -> None:
        host, _, self._name = reference.repository.partition("/")
        # Docker Hub's name in references is not where its registry listens.
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
            # Blobs are elsewhere, behind a redirection that a second authorization would spoil.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            return _get(request)
        except _LoginWanted as wanted:
            if self._token is None and wanted.challenge.lower().startswith("bearer "):
                self._token = self._fetch_token(dict(_PARAMETER.findall(wanted.challenge)))
                return self._get(path, accept)
            raise

    def _fetch_token(self, challenge: dict[str, str]) -> str:
        """Get the token that registries give to everybody
        (https://distribution.github.io/distribution/spec/auth/token/)."""
        realm = challenge["realm"]
        if not realm.startswith("https://") and self._scheme == "https":
            raise RegistryUnavailable(f"{self._host} sends to {realm} for a token, which is not https")
        query = {"service": challenge.get("service", ""), "scope": f"repository:{self._name}:pull"}
        answer = json.loads(_get(urllib.request.Request(f"{realm}?{urllib.parse.urlencode(query)}")))  # noqa: S310
        return answer.get("token") or answer["access_token"]


def _get(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http(s), made above
            return answer.read(MAX_BYTES)
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise _LoginWanted(request.host, error.headers.get("WWW-Authenticate", "")) from None
        if error.code == 404:
            raise ImageNotFound from None
        raise RegistryUnavailable(f"{request.host} answers {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise RegistryUnavailable(f"{request.host}: {error}") from None


def _digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _checked(text: bytes, digest: str) -> bytes:
    if _digest(text) != digest:
        raise RegistryUnavailable(f"what came for {digest} is something else")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition(":")[0]).is_loopback
    except ValueError:
        return False
