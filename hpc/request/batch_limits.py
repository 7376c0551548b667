"""Limits of AWS Batch, each with the page that documents it."""

from __future__ import annotations

MAX_ARRAY = 10_000
"""https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html"""
MAX_CHILDREN = 1_000_000
"""Of one run: the number of waiting jobs that a queue takes
(https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html)."""
MAX_DEPENDENCIES = 20
"""https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html"""
MAX_RETRIES = 9
"""Batch allows ten attempts: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html"""
MAX_NODES = 1000
"""https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html"""
MIN_TIMEOUT_S = 60
"""https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html"""
MAX_DEFINITION_BYTES = 24 * 1024
"""https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html"""
MAX_ARGUMENT_BYTES = 128 * 1024 - 1
"""Of one argument of a command, on Linux: https://man7.org/linux/man-pages/man2/execve.2.html (MAX_ARG_STRLEN)"""
MAX_PAYLOAD_BYTES = 30 * 1024
"""https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html"""
