#!/usr/bin/env bash
# TorchX on AWS Batch: max_retries=1 does not retry.
#
# Expected: `max_retries` is the "max number of retries before giving up", so 1 allows two attempts.
# Actual: the number is sent as `attempts`, which counts the first run: 0 and 1 both give one attempt, 3 gives two retries.
#   On Docker the same application gets as many retries as it asks for.
# Affects: training on Spot Instances with one retry for a reclaimed instance: the first reclaim ends the job.
# Source: https://pytorch.org/torchx/latest/specs.html (Role.max_retries),
#   https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html ("the number of times to move a job to
#   the RUNNABLE status")
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
python3 -m venv "$temp/venv"
"$temp/venv/bin/pip" -q --disable-pip-version-check install torchx==0.7.0 docker==7.1.0 boto3==1.43.106

cat > "$temp/retries.py" <<'END'
import sys
from importlib.metadata import version
from unittest.mock import MagicMock

from torchx.schedulers.aws_batch_scheduler import AWSBatchScheduler
from torchx.schedulers.docker_scheduler import DockerScheduler
from torchx.specs import AppDef, Resource, Role


def app(retries: int) -> AppDef:
    resource = Resource(cpu=2, memMB=4096, gpu=0)
    return AppDef("train", [Role("trainer", "busybox", entrypoint="train", max_retries=retries, resource=resource)])


batch = AWSBatchScheduler("session", client=MagicMock(), log_client=MagicMock(), docker_client=MagicMock())
docker = DockerScheduler("session")

print("torchx", version("torchx"))
changed = False
for retries, expected in {0: (1, 0), 1: (1, 1), 3: (3, 3)}.items():
    request = batch.submit_dryrun(app(retries), {"queue": "queue", "user": "user"}).request
    attempts = request.job_def["retryStrategy"]["attempts"]
    container = docker.submit_dryrun(app(retries), {}).request.containers[0]
    restarts = container.kwargs.get("restart_policy", {}).get("MaximumRetryCount", 0)
    print(f"max_retries={retries}: {attempts - 1} retries on AWS Batch (attempts={attempts}), {restarts} on Docker")
    changed |= (attempts, restarts) != expected
sys.exit("CHANGED" if changed else 0)
END
"$temp/venv/bin/python" "$temp/retries.py" 2>"$temp/log" || { cat "$temp/log"; exit 1; }
