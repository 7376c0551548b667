#!/usr/bin/env bash
# import-linter keeps a "forbidden" contract that every import of the package breaks.
#
# Expected: `from app.common import units` runs app/common/__init__.py and app/__init__.py. If these import requests, then
#   app.node, which must not reach requests directly or indirectly, breaks its contract.
# Actual: the graph gets an edge to app.common.units only. No parent package's __init__ is followed, and the contract is
#   kept. A folder without __init__.py is not in the graph at all, although Python imports its modules.
# Affects: projects that use a contract to keep a slow or uninstalled dependency out of one part, such as a container's
#   entrypoint: the check is green and the entrypoint fails with ModuleNotFoundError.
# Source: https://github.com/seddonym/import-linter/issues/203 (open), .../issues/202
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
python3 -m venv "$temp/venv"
"$temp/venv/bin/pip" -q --disable-pip-version-check install import-linter==2.17 grimp==3.20
cd "$temp"

mkdir -p app/node app/common
touch app/node/__init__.py
echo 'import requests' > app/__init__.py
echo 'import requests' > app/common/__init__.py
echo 'GIB = 1 << 30' > app/common/units.py
echo 'from app.common import units' > app/node/main.py
cat > .importlinter <<'END'
[importlinter]
root_package = app
include_external_packages = true
[importlinter:contract:node]
name = node
type = forbidden
source_modules = app.node
forbidden_modules = requests
END

check() { "$temp/venv/bin/lint-imports" --no-cache --no-logo > "$temp/report"; }
"$temp/venv/bin/lint-imports" --version

# The environment has no `requests`: Python fails in the __init__ of a parent.
if python=$("$temp/venv/bin/python" -c 'import app.node.main' 2>&1); then
    echo "CHANGED: app.node.main no longer needs requests"; exit 1
fi
echo "python -c 'import app.node.main': ${python##*$'\n'}"
check || { echo "CHANGED: the contract is broken"; exit 1; }
echo "lint-imports, requests imported by app and app.common:    $(grep 'Contracts:' report)"

# The same import in a folder without __init__.py, which Python imports too.
echo > app/__init__.py; echo > app/common/__init__.py
mkdir app/node/deep
echo 'import requests' > app/node/deep/fetch.py
echo 'from app.node.deep import fetch' > app/node/main.py
if python=$("$temp/venv/bin/python" -c 'import app.node.main' 2>&1); then
    echo "CHANGED: app.node.deep.fetch no longer needs requests"; exit 1
fi
check || { echo "CHANGED: a folder without __init__.py is checked now"; exit 1; }
echo "lint-imports, requests imported in a namespace subfolder: $(grep 'Contracts:' report)"

# The control: in app.node itself, the import is seen.
echo 'import requests' > app/node/main.py
if check; then echo "CHANGED: a direct import is no longer seen"; exit 1; fi
echo "lint-imports, requests imported by app.node.main:         $(grep 'Contracts:' report)"
