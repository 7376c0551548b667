"""A public evaluator of IAM answers the questions, and answers otherwise where a policy is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stacks.conftest import Stacks
from tests.stacks.iam.asker import Asker
from tests.stacks.iam.evaluator import evaluate
from tests.stacks.iam.questions import QUESTIONS, Question

ROOT = Path(__file__).parents[3]


def ask(asker: Asker, questions: Sequence[Question] = QUESTIONS) -> dict[str, bool]:
    """Return for each question whether the policies allow it."""
    verdicts = evaluate([asker.request(item) for item in questions])
    return {str(item): verdict for item, verdict in zip(questions, verdicts, strict=True)}


@pytest.fixture(scope="module")
def answers(two: Stacks, isolated: Stacks) -> Mapping[str, bool]:
    return ask(Asker(two, isolated))


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_the_policies_answer(question: Question, answers: Mapping[str, bool]) -> None:
    assert answers[str(question)] is question.allowed


def test_no_question_is_asked_twice() -> None:
    assert len(set(map(str, QUESTIONS))) == len(QUESTIONS)


def test_whatever_must_not_be_is_allowed_by_policies_that_allow_all(asker: Asker) -> None:
    replace_all(asker, "Allow")
    denied = [item for item in QUESTIONS if not item.allowed]
    answers = ask(asker, denied)
    still = [item.why for item in denied if not answers[str(item)]]
    assert still == ["not without TLS"], "the bucket policy denies that to everybody"


@pytest.mark.parametrize("whose", ["policies", "endpoints"])
def test_whatever_may_be_is_denied_where_nothing_is_allowed(asker: Asker, whose: str) -> None:
    replace_all(asker, "Deny", whose)
    concerned = [item for item in QUESTIONS if item.allowed and (item.via or whose == "policies")]
    assert len(concerned) >= 4
    assert not any(ask(asker, concerned).values())


def replace_all(asker: Asker, effect: str, *whose: str) -> None:
    """Let all policies have the one effect on everything."""
    statement = {"Effect": effect, "Action": "*", "Resource": "*"}
    principal = {"policies": {}, "endpoints": {"Principal": "*"}}
    for kind in whose or principal:
        document = {"Version": "2012-10-17", "Statement": [{**statement, **principal[kind]}]}
        setattr(asker, kind, dict.fromkeys(getattr(asker, kind), document))


@dataclass(frozen=True)
class Mutation:
    """A small mistake in one policy, and the questions that notice it."""

    who: str
    old: str
    new: str
    noticed: set[str]

    def __str__(self) -> str:
        return f"{self.who}: {self.old} -> {self.new}"


MUTATIONS = [
    Mutation("developer", '"Bool": ', '"BoolIfExists": ', {"privileged is not said"}),
    Mutation("developer", '"StringLike": ', '"StringLikeIfExists": ', {"no image", "EKS has separate keys"}),
    Mutation("developer", '{"StringEquals": {"batch:User": "1000", ',
             '{"StringNotEquals": {"batch:User": "0"}, "StringEquals": {', {
        "root in disguise", "with the group of Docker's socket", "user is not said: the image's own may be root"}),
    Mutation("developer", "hpc_dev_default_*", "hpc*", {
        "foreign project's name", "foreign environment's name", "a revision of what is deployed",
        "project whose name begins so", "what is deployed"}),
    Mutation("developer", "biocontainers/*@", "biocontainers*@", {"source whose name only begins so"}),
    Mutation("developer", "iam:PassedToService", "aws:PrincipalAccount", {
        "role of the project's jobs", "role that pulls and logs"}),
    Mutation("submitter", "hpc-dev-default-task", "hpc-*-task", {
        "foreign project's definition", "foreign environment's definition"}),
    Mutation("submitter", 'RequestTag/hpc:project": "default"', 'RequestTag/hpc:project": ["default", "other"]', {
        "as another project's costs", "at another project's costs", "a queue is no other project's"}),
    Mutation("job", "default/*", "*/*", {"foreign prefix"}),
    Mutation("operator", "batch:UpdateJobQueue", "batch:*", {"CloudFormation's", "operators run nothing"}),
]  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_small_mistake_is_noticed(asker: Asker, answers: Mapping[str, bool], mutation: Mutation) -> None:
    text = json.dumps(asker.policies[mutation.who])
    assert mutation.old in text
    asker.policies[mutation.who] = json.loads(text.replace(mutation.old, mutation.new))
    concerned = [item for item in QUESTIONS if item.who == mutation.who]
    now = ask(asker, concerned)
    assert {item.why for item in concerned if now[str(item)] is not answers[str(item)]} == mutation.noticed


def test_the_evaluator_is_no_part_of_the_product() -> None:
    """It is under the AGPL."""
    folders = ("hpc", "constructs", "localcloud", "container", "examples", "tools")
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".js", ".mjs", ".sh", ""} and path.is_file():
                assert "cloud-copilot" not in path.read_text(encoding="utf-8", errors="ignore"), path
