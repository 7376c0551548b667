#!/usr/bin/env bash
# Hydra's AWS Batch launcher reports a sweep as completed although Batch refused every job.
#
# Expected: a sweep that cannot be submitted ends with an error and a non-zero exit code. Hydra's own launcher does so:
#   the sweeper reads each job's result, which raises if the job failed.
# Actual: each refusal becomes one line of the log, every job is returned as COMPLETED, and the program exits with 0.
# Affects: `python train.py -m ... && python collect.py`, CI and cron jobs. After a misspelt queue, an expired token or
#   throttling they continue with no jobs, or with only some of them.
# Source: https://github.com/philkohl/hydra_aws_batch_launcher (1.3.1, submit_jobs_in_parallel),
#   https://github.com/facebookresearch/hydra/blob/main/hydra/core/utils.py (JobReturn.return_value)
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
python3 -m venv "$temp/venv"
"$temp/venv/bin/pip" -q --disable-pip-version-check install \
    hydra-aws-batch-launcher==1.3.1 hydra-core==1.3.8 boto3==1.43.106 tqdm==4.67.1

cat > "$temp/train.py" <<'END'
import hydra

@hydra.main(version_base=None, config_path=None)
def train(config):
    raise RuntimeError("diverged")

train()
END
cat > "$temp/sweep.py" <<'END'
"""Run a sweep against a server that refuses every SubmitJob request."""
import os, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

class Refuse(BaseHTTPRequestHandler):
    asked = 0

    def do_POST(self):
        Refuse.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"message": "Job queue arn:aws:batch:eu-west-1:123456789012:job-queue/typo not found."}'
        self.send_response(400)
        self.send_header("x-amzn-ErrorType", "ClientException")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): pass

server = HTTPServer(("127.0.0.1", 0), Refuse)
threading.Thread(target=server.serve_forever, daemon=True).start()
with open("aws", "w") as profile:
    profile.write("[default]\naws_access_key_id = none\naws_secret_access_key = none\n")
env = os.environ | {"AWS_SHARED_CREDENTIALS_FILE": "aws", "AWS_ENDPOINT_URL_BATCH": f"http://127.0.0.1:{server.server_port}"}

def sweep(*options):
    command = [sys.executable, "train.py", "-m", "+alpha=1,2,3", *options]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)

launcher = "hydra_plugins.hydra_aws_batch_launcher.aws_batch_launcher.AWSBatchLauncher"
on_batch = sweep(
    "hydra/launcher=aws-batch-launcher", f"hydra.launcher._target_={launcher}", "hydra.launcher.standard_overrides=[]",
    "hydra.launcher.n_jobs=2", "hydra.launcher.aws_job_queue=typo", "hydra.launcher.aws_job_definition=train",
)
here = sweep()
log = on_batch.stdout + on_batch.stderr
refusals = [line for line in log.splitlines() if "not found." in line]
print("hydra-aws-batch-launcher", version("hydra-aws-batch-launcher"), "hydra-core", version("hydra-core"))
print(f"Hydra's own launcher, failing jobs: exit code {here.returncode}")
print(f"AWS Batch launcher, {Refuse.asked} of 3 jobs refused: exit code {on_batch.returncode}, {len(refusals)} lines of log")
print(refusals[0] if refusals else log)
found = (here.returncode != 0, Refuse.asked, len(refusals), on_batch.returncode)
sys.exit(0 if found == (True, 3, 3, 0) else f"CHANGED: {found}")
END
cd "$temp"
"$temp/venv/bin/python" sweep.py
