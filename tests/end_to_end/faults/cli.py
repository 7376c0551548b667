"""The real `hpc`, with some of its constants changed: FAULT_KNOBS is JSON, `{"hpc.plan.run_request.MAX_ARRAY": 2}`.

A run of several Batch jobs would need more than 10,000 tasks else, and giving up would take minutes.
"""

import importlib
import json
import os

import hpc.cli


def main() -> None:
    for path, value in json.loads(os.environ.get("FAULT_KNOBS", "{}")).items():
        module, _, name = path.rpartition(".")
        loaded = importlib.import_module(module)
        assert hasattr(loaded, name), path
        setattr(loaded, name, value)
    hpc.cli.main()


if __name__ == "__main__":
    main()
