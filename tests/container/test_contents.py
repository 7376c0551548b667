"""What lies in the image's layers, files deleted in later ones included, and in its history."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container import support

pytestmark = pytest.mark.slow

KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64}")
OF_ONE_MACHINE = re.compile(
    r"etc/ssh/ssh_host_|(^|/)\.ssh/|(^|/)\.aws/|(^|/)\.netrc$|(^|/)pip\.conf$|etc/pip\.conf|random-seed$|etc/hostname$"
    r"|etc/resolv\.conf$|(^|/)authorized_keys"
)
CACHES = re.compile(
    r"^(root|home/[^/]+)/\.cache/|^var/cache/apt/(archives/.*\.deb$|.*\.bin$)|^var/lib/apt/lists/.*_|^wheels/.|^tmp/."
)
MACHINE_ID = re.compile("^(etc|var/lib/dbus)/machine-id$")


class Entry:
    """A file of a layer."""

    def __init__(self, info: tarfile.TarInfo, data: bytes) -> None:
        self.name, self.mode, self.data = info.name.removeprefix("./"), info.mode, data


KINDS = ("key", "one machine's", "cache", "machine id", "canary", "setuid")
PLANTED = """
FROM {image}
USER 0
RUN mkdir -p /root/.aws /root/.cache/pip && echo {canary} > /root/.aws/credentials && touch /root/.cache/pip/x \\
    && echo 0123456789abcdef0123456789abcdef > /etc/machine-id \\
    && (echo "-----BEGIN RSA PRIVATE KEY-----"; head -c 300 /dev/urandom | base64) > /home/hpc/id \\
    && chmod u+s /usr/bin/id
RUN rm -rf /root/.aws /root/.cache /home/hpc/id && echo uninitialized > /etc/machine-id
"""


def save(image: str, folder: Path) -> Path:
    path = folder / "image.tar"
    support.run("save", "--format", "docker-archive", "--output", str(path), image, timeout_s=120)
    return path


def layers(saved: Path) -> Iterator[Iterator[Entry]]:
    with tarfile.open(saved) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest
        for name in json.load(manifest)[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                yield (
                    Entry(info, content.read() if (content := layer.extractfile(info)) else b"")
                    for info in layer
                    if info.isfile()
                )


def look_through(saved: Path) -> dict[str, list[str]]:
    """Return what no image may hold, by kind."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    setuid: dict[str, bool] = {}
    for layer in layers(saved):
        for entry in layer:
            setuid[entry.name] = bool(entry.mode & 0o6000)
            if KEY.search(entry.data):
                found["key"].append(entry.name)
            if OF_ONE_MACHINE.search(entry.name) and entry.data:
                found["one machine's"].append(entry.name)
            if CACHES.search(entry.name):
                found["cache"].append(entry.name)
            if MACHINE_ID.search(entry.name) and entry.data.strip() not in (b"", b"uninitialized"):
                found["machine id"].append(entry.name)
            if support.CANARY.encode() in entry.data:
                found["canary"].append(entry.name)
    found["setuid"] = [name for name, still in setuid.items() if still]
    return found


@pytest.fixture(scope="module")
def findings(image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return look_through(save(image, tmp_path_factory.mktemp("image")))


@pytest.mark.parametrize("kind", KINDS)
def test_no_layer_holds_a(kind: str, findings: dict[str, list[str]]) -> None:
    assert findings[kind] == []


def test_what_is_deleted_in_a_later_layer_is_found(image: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(PLANTED.format(image=image, canary=support.CANARY))
    name = support.run("build", "--quiet", "--network", "none", str(tmp_path)).stdout.strip()
    try:
        assert look_through(save(name, tmp_path)) == {
            "key": ["home/hpc/id"],
            "one machine's": ["root/.aws/credentials"],
            "cache": ["root/.cache/pip/x"],
            "machine id": ["etc/machine-id"],
            "canary": ["root/.aws/credentials"],
            "setuid": ["usr/bin/id"],
        }
    finally:
        support.run("rmi", "--force", name)


def digests(saved: Path) -> dict[str, str]:
    """Return the digest of each file by its name, as a container sees it."""
    return {entry.name: hashlib.sha256(entry.data).hexdigest() for layer in layers(saved) for entry in layer}


def test_nothing_is_made_up_during_a_build(image: str, tmp_path: Path) -> None:
    """Whatever two builds have of their own was made while they were built, as a key would be."""
    done = support.build_anew(support.gather(tmp_path / "context"))
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    try:
        first, second = digests(save(image, tmp_path / "first")), digests(save(name, tmp_path / "second"))
    finally:
        support.run("rmi", "--force", name)
    differing = {path for path in first.keys() | second.keys() if first.get(path) != second.get(path)}
    assert {path for path in differing if not path.endswith(".pyc")} == set()


def test_history_and_configuration_name_nothing_of_the_machine_that_built(image: str) -> None:
    said = support.run("image", "inspect", "--format", "{{json .Config}}{{json .History}}", image).stdout
    assert "hpc-node" in said
    for word in (support.CANARY, "PIP_", "proxy", str(support.ROOT)):
        assert word not in said
