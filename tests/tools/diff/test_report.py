"""Reports for people."""

import json

from tools.diff.model import Change, Comparison, Edit, Refusal, Verdict
from tools.diff.report import EDITS_SHOWN, EnvironmentReport, Report, as_json, markdown, summary


def change(verdict: Verdict, *edits: Edit) -> Change:
    return Change(
        stack="S", logical_id="Q1", type="AWS::Batch::JobQueue", construct="S/Queues/q", verdict=verdict,
        effect="its jobs are lost", edits=edits,
    )  # fmt: skip


def environment(*changes: Change, refusals: tuple[Refusal, ...] = ()) -> EnvironmentReport:
    return EnvironmentReport(
        name="dev", presence="both", resources=3, comparison=Comparison(changes=changes, refusals=refusals)
    )


def report(item: EnvironmentReport, notes: tuple[str, ...] = ()) -> Report:
    return Report(base="main", commit="0123456789abcdef", source="schemas", notes=notes, environments=(item,))


NAMED = Edit(path=("JobQueueName",), old="a", new="b", verdict=Verdict.REPLACED)


def test_nothing_is_said_to_change_when_nothing_does() -> None:
    assert summary(environment()) == "nothing changes"


def test_a_summary_counts_the_gravest_first() -> None:
    found = environment(
        change(Verdict.REPLACED),
        change(Verdict.INFRASTRUCTURE),
        change(Verdict.INFRASTRUCTURE),
        change(Verdict.ADDED),
        refusals=(Refusal(stack="S", reason="r", way_out="w"),),
    )
    assert summary(found) == "REFUSED as it stands, 1 REPLACED, 2 infrastructure updates, 1 added"


def test_a_change_has_its_id_path_property_values_and_effect() -> None:
    text = markdown(report(environment(change(Verdict.REPLACED, NAMED))))
    assert "- `Q1` AWS::Batch::JobQueue (S/Queues/q): its jobs are lost" in text
    assert "  - `JobQueueName`: `a → b` [REPLACED]" in text
    assert text.splitlines()[0] == "## What this changes against main (0123456789ab)"


def test_a_value_that_changes_through_another_resource_says_through_which() -> None:
    edit = Edit(path=("Version",), old="${T.LatestVersionNumber}", new="another value", because="T")
    text = markdown(report(environment(change(Verdict.INFRASTRUCTURE, edit))))
    assert "  - `Version`: `${T.LatestVersionNumber}` gets another value" in text


def test_many_edits_of_a_resource_are_counted() -> None:
    edits = [Edit(path=(f"P{index}",), old=1, new=2) for index in range(EDITS_SHOWN + 3)]
    assert "  - and 3 more" in markdown(report(environment(change(Verdict.IN_PLACE, *edits))))


def test_what_replaces_is_shown_before_what_does_not() -> None:
    edits = [Edit(path=(f"P{index}",), old=1, new=2) for index in range(EDITS_SHOWN)]
    assert "`JobQueueName`" in markdown(report(environment(change(Verdict.REPLACED, *edits, NAMED))))


def test_a_refusal_comes_with_its_way_out() -> None:
    refused = Refusal(stack="S", reason="export E goes", way_out="deploy T first")
    text = markdown(report(environment(refusals=(refused,))))
    assert "- S: export E goes\n  - way out: deploy T first" in text


def test_machines_get_the_same() -> None:
    data = json.loads(as_json(report(environment(change(Verdict.REPLACED, NAMED)), notes=("n",))))
    (found,) = data["environments"]["dev"]["changes"]
    assert (found["verdict"], found["logical_id"], found["edits"][0]["new"]) == ("REPLACED", "Q1", "b")
    assert data["notes"] == ["n"]
