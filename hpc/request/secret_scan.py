"""Values that look like secrets: they must not be where everybody of a project can read them.

Known beginnings only, each from its issuer's page, and names that say it: a guess by randomness would refuse hashes
and run ids.
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
    """Return what kind of secret is in a text, empty if none is known."""
    if not _KNOWN.search(text):
        return ""
    return next(name for name, pattern in _VALUES.items() if re.search(pattern, text))


def check(command: tuple[str, ...], variables: Mapping[str, str]) -> Iterator[str]:
    """Yield a complaint for each secret in the command or the variables; none repeats the secret."""
    how = (
        "put it into AWS Secrets Manager or into an SSM parameter of type SecureString, and give --secret {}=<its ARN>"
    )
    for name, value in variables.items():
        found = kind(value) or ("a secret by its name" if value and _NAMES.search(name) else "")
        if found:
            yield (
                f"--setenv {name}: this looks like {found}; variables are kept in the run's request.json, which"
                f" everybody of the project reads: {how.format(name)}"
            )
    for number, word in enumerate(command, start=1):
        found = kind(word)
        if found:
            yield (
                f"word {number} of the command: this looks like {found}; AWS Batch shows commands to everybody who may"
                f" describe jobs: {how.format('NAME')}, then use $NAME"
            )
