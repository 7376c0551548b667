"""Any file gives an environment, or a ConfigError with a line for each problem."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

from hpc_constructs.config import ConfigError, Environment, parse
from hpc_constructs.config.resources import ComputeEnvironment, Definition, Queue

KEYS = st.sampled_from(
    [
        *Environment.model_fields,
        *ComputeEnvironment.model_fields,
        *Queue.model_fields,
        *Definition.model_fields,
        *("spot", "on-demand", "efa", "loosely-coupled", "tightly-coupled", "task", "mpi", "new", "Bad Name"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**7),
    st.floats(allow_nan=False),
    st.sampled_from(["spot", "efa", "multi-node", "single", "c5n.18xlarge", "c6g", "t3.large", "10.0.0.0/16", "task"]),
    st.text(max_size=8),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def check(text: str) -> None:
    try:
        environment = parse(text, file="environments/x.yaml", name="x")
    except ConfigError as error:
        assert error.problems
        for line in str(error).splitlines():
            assert line.startswith("environments/x.yaml:")
            assert " given; allowed: " in line
            assert "; fix: " in line
    else:
        assert isinstance(environment, Environment)


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    check(text)


@given(st.text(alphabet="ab:-[]{}'\"&*!|>#?%@,\n\t 01~", max_size=40))
def test_any_punctuation(text: str) -> None:
    check(text)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(list(Environment.model_fields)), VALUES, max_size=5))
def test_any_data(data: dict[str, Any]) -> None:
    stream = StringIO()
    YAML(typ="safe", pure=True).dump(data, stream)
    check(stream.getvalue())
