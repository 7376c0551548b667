"""The folder `constructs/` stays a source root."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_source_root_is_no_package() -> None:
    """With an `__init__.py` it would shadow the PyPI package `constructs`, and `python app.py` would end in an
    ImportError of aws-cdk-lib."""
    assert not (ROOT / "constructs" / "__init__.py").exists()


def test_python_finds_both_constructs_and_ours() -> None:
    code = "import constructs, hpc_constructs; print(constructs.Construct.__module__, hpc_constructs.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    module, file = done.stdout.split()
    assert module.startswith("constructs")
    assert Path(file).is_relative_to(ROOT / "constructs")


def test_stacks_define_no_resource() -> None:
    """Wiring only: services' modules are for constructs."""
    for path in (ROOT / "constructs" / "hpc_stacks").glob("*.py"):
        assert "from aws_cdk import" not in path.read_text(), path.name


def test_only_the_app_reads_context_and_surroundings() -> None:
    for path in {*(ROOT / "constructs").rglob("*.py")} - {ROOT / "constructs" / "hpc_stacks" / "app.py"}:
        source = path.read_text()
        assert "try_get_context" not in source, path.name
        assert "os.environ" not in source, path.name


def test_the_app_runs_with_the_python_of_the_path() -> None:
    assert json.loads((ROOT / "cdk.json").read_text())["app"] == "python app.py"
