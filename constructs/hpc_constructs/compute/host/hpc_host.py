#!/usr/bin/python3
"""Publish facts about the instance to its jobs, which have no access to the metadata service.

Runs as root on every instance, with the Python of Amazon Linux 2023 (3.9) and nothing else. `instance.json` is written
once, `spot-notice` when EC2 announces the interruption of a Spot Instance
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

FACTS = {
    "instance_id": "instance-id",
    "instance_type": "instance-type",
    "zone": "placement/availability-zone",
    "zone_id": "placement/availability-zone-id",
    "region": "placement/region",
    "purchasing": "instance-life-cycle",
    "image_id": "ami-id",
}
TOKEN_TTL_S = 21600
TIMEOUT_S = 5


class Imds:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html"""

    def __init__(self, url: str) -> None:
        self._url, self._token = url, ""
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> str | None:
        """Return an item; None if there is none."""
        had_token = bool(self._token)
        if not had_token:
            self._token = self._call("PUT", "api/token", "X-aws-ec2-metadata-token-ttl-seconds", str(TOKEN_TTL_S))
        try:
            return self._call("GET", "meta-data/" + path, "X-aws-ec2-metadata-token", self._token)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            if error.code == 401:
                self._token = ""
                if had_token:  # it has expired
                    return self.get(path)
            raise

    def _call(self, method: str, path: str, header: str, value: str) -> str:
        url = f"{self._url}/latest/{path}"
        request = urllib.request.Request(url, headers={header: value}, method=method)  # noqa: S310 - no user's URL
        with self._opener.open(request, timeout=TIMEOUT_S) as answer:
            return answer.read().decode()


def write(path: Path, text: str) -> None:
    """Write atomically: a reader finds the whole text or none."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def pass_on_notice(imds: Imds, path: Path) -> None:
    notice = imds.get("spot/instance-action")
    if notice is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_text() != notice:
        write(path, notice)


def serve(imds: Imds, folder: Path, interval_s: float) -> None:
    """Write the facts, then on a Spot Instance poll for interruption notices."""
    facts, said = {}, ""
    while True:
        try:
            if not facts:
                facts = {key: imds.get(path) for key, path in FACTS.items()}
                write(folder / "instance.json", json.dumps(facts))
            if facts["purchasing"] != "spot":
                return
            pass_on_notice(imds, folder / "spot-notice")
        except (OSError, HTTPException) as error:
            if str(error) != said:
                said = str(error)
                print(f"metadata service: {said}; trying again", flush=True)
        time.sleep(interval_s)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--imds", default="http://169.254.169.254")
    parser.add_argument("--folder", type=Path, default=Path("/run/hpc"))
    parser.add_argument("--interval-s", type=float, default=5)
    given = parser.parse_args()
    serve(Imds(given.imds), given.folder, given.interval_s)
