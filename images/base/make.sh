#!/usr/bin/env bash
# Makes sure that the engine holds a base image: the one that is there, else the official one by digest, else one made
# from Debian's archive (about a minute).
#
#   images/base/make.sh              exit status 14 where none can be had
#   images/base/make.sh --optional   exit status 0 with a sentence instead
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ ${SANDBOX_RUNTIME:-} == local || ${SANDBOX_STACK_RUNTIME:-} == local ]]; then
    echo "base: not needed: the local runtime is asked for (SANDBOX_RUNTIME=local)"
    exit 0
fi
python=$here/../../.venv/bin/python
if [[ ! -x $python ]]; then python=python3; fi
exec "$python" -m sandbox.provisioner.images.base "$@"
