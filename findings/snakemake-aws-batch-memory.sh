#!/usr/bin/env bash
# Snakemake's AWS Batch executor lowers the memory that a rule requests, on EC2, where any amount is valid.
#
# Expected: `threads: 4` and `mem_mb=100000` are registered as VCPU 4 and MEMORY 100000, or rounded up at worst.
# Actual: requests are checked against Fargate's table although the definition is registered for EC2. Memory that is not in
#   the table becomes the smallest entry for that number of vCPUs: 100000 MiB becomes 8192 MiB. Memory that the table lists
#   for other vCPU counts is an error, and so is every vCPU count that Fargate lacks, such as 3 or 36.
# Affects: workflows moved to Batch. A job is killed for lack of memory, requests more on the next attempt and gets the
#   same 8192 MiB again. The only hint is a warning in the log of the run.
# Source: https://github.com/snakemake/snakemake-executor-plugin-aws-batch/issues/34; the fix
#   (.../pull/40, merged in 2026-04) is not in the newest release on PyPI, 0.2.1
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
python3 -m venv "$temp/venv"
"$temp/venv/bin/pip" -q --disable-pip-version-check install snakemake-executor-plugin-aws-batch==0.2.1 \
    snakemake-interface-common==1.24.1 snakemake-interface-executor-plugins==9.4.0 boto3==1.43.106

cat > "$temp/rules.py" <<'END'
import logging
import sys
from importlib.metadata import version
from types import SimpleNamespace

from snakemake_executor_plugin_aws_batch import ExecutorSettings
from snakemake_executor_plugin_aws_batch.batch_job_builder import BatchJobBuilder


class Recorder:
    """Stands in for the Batch client and keeps the request."""

    def register_job_definition(self, **request):
        self.request = request
        return {"jobDefinitionName": request["jobDefinitionName"], "revision": 1}


def registered(threads: int, mem_mb: int) -> str:
    job = SimpleNamespace(name="align", resources={"_cores": threads, "mem_mb": mem_mb})
    settings = ExecutorSettings(region="eu-west-1", job_queue="queue", job_role="arn:aws:iam::123456789012:role/job")
    client = Recorder()
    builder = BatchJobBuilder(logging.getLogger(), job, {}, "image", settings, "true", client)
    try:
        builder.build_job_definition()
    except Exception as error:
        return type(error).__name__
    needs = {r["type"]: r["value"] for r in client.request["containerProperties"]["resourceRequirements"]}
    return f"{client.request['platformCapabilities'][0]} VCPU {needs['VCPU']} MEMORY {needs['MEMORY']}"


EXPECTED = {
    (4, 16384): "EC2 VCPU 4 MEMORY 16384",
    (4, 100000): "EC2 VCPU 4 MEMORY 8192",
    (4, 200000): "EC2 VCPU 4 MEMORY 8192",
    (8, 61000): "EC2 VCPU 8 MEMORY 16384",
    (2, 32768): "WorkflowError",
    (36, 70000): "ValueError",
}
print("snakemake-executor-plugin-aws-batch", version("snakemake-executor-plugin-aws-batch"))
changed = False
for (threads, mem_mb), expected in EXPECTED.items():
    found = registered(threads, mem_mb)
    note = "" if found == expected else f" CHANGED: it was {expected}"
    print(f"threads {threads}, mem_mb {mem_mb}: {found}{note}")
    changed |= found != expected
sys.exit(changed)
END
"$temp/venv/bin/python" "$temp/rules.py"
