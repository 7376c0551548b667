"""Detection of secrets in values that everyone in a project can read.

It knows prefixes documented by their issuers, and names such as `PASSWORD`. A test for randomness would also match
hashes and run ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAMES = re.compile(
    r"(^|_)(PASSWORD|PASSWD|SECRET|API_?KEY|SECRET_KEY|PRIVATE_KEY|SECRET_ACCESS_KEY|SESSION_TOKEN)$", re.IGNORECASE
)
_VALUES = {
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    "an AWS access key": r"\b(AKIA|ASIA)[A-Z2-7]{16}\b",
    # https://www.rfc-editor.org/rfc/rfc7468#section-10
    "a private key": r"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----",
    # https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
    "a GitHub token": r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    # https://docs.gitlab.com/security/tokens/#token-prefixes
    "a GitLab token": r"\bgl(pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_.-]{20,}",
    # https://docs.slack.dev/authentication/tokens
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    # https://huggingface.co/docs/hub/security-tokens
    "a Hugging Face token": r"\bhf_[A-Za-z]{34}\b",
    # https://pypi.org/help/#apitoken
    "a PyPI token": r"\bpypi-AgE[A-Za-z0-9_-]{50,}",
    # https://docs.npmjs.com/about-access-tokens
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
}
_KNOWN = re.compile("|".join(f"({pattern})" for pattern in _VALUES.values()))


def kind(text: str) -> str:
    """Return the kind of secret that a text contains, empty if none is recognized."""
    if not _KNOWN.search(text):
        return ""
    return next(name for name, pattern in _VALUES.items() if re.search(pattern, text))


def check(command: tuple[str, ...], variables: Mapping[str, str]) -> Iterator[str]:
    """Yield a complaint about each secret in the command or the variables, without repeating the secret."""
    remedy = "store it in AWS Secrets Manager or an SSM parameter of type SecureString, and give --secret {}=<its ARN>"
    for name, value in variables.items():
        secret = kind(value) or ("a secret by its name" if value and _NAMES.search(name) else "")
        if secret:
            yield (
                f"--setenv {name}: this looks like {secret}; variables are stored in the run's request.json, which"
                f" everyone in the project can read: {remedy.format(name)}"
            )
    for number, word in enumerate(command, start=1):
        secret = kind(word)
        if secret:
            yield (
                f"word {number} of the command: this looks like {secret}; AWS Batch shows commands to everyone who may"
                f" describe jobs: {remedy.format('NAME')}, then use $NAME"
            )
