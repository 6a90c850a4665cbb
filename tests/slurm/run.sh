#!/usr/bin/env bash
# The demo audit through the profile `slurm`, on a cluster of one node that is started for it and taken down afterwards.
#
#   tests/slurm/run.sh [FILE-OR-OPTION-OF-PYTEST...]    needs root, Debian's packages of Slurm and `pip install 'stepaudit[slurm]'`
#
# `pytest` alone does not collect these tests: they start daemons. With STEPAUDIT_WRITE_FAULTS=1 they write their table of faults into
# docs/cluster.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
"$python" -c 'import snakemake_executor_plugin_slurm' 2>/dev/null ||
  { echo "run.sh: $python has no snakemake-executor-plugin-slurm; run: $python -m pip install -e '.[slurm]'" >&2; exit 1; }

folder=$(mktemp -d -t stepaudit-slurm.XXXXXX)
end() {
  tests/slurm/one_node.sh down "$folder/cluster"
  rm -rf "$folder"
}
trap end EXIT
trap 'exit 143' TERM HUP
trap 'exit 130' INT

tests/slurm/one_node.sh up "$folder/cluster" 8
export ONE_NODE="$folder/cluster"
if [ $# = 0 ] || [[ $1 == -* ]]; then set -- "$@" tests/slurm/undisturbed.py tests/slurm/faults.py; fi
"$python" -m pytest -p no:cacheprovider --basetemp="$folder/checkouts" "$@"
