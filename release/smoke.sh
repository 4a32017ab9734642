#!/bin/sh
# Installs the wheel of this machine from ./dist, without a compiler, and puts it before a server.
# For machines that have Python and little else; `make test-dist` does more where it can.
set -eu
folder=$(mktemp -d)
python3 -m venv "$folder/clean"
"$folder/clean/bin/pip" install --quiet --only-binary :all: "${1:-dist}"/*.whl
cd "$folder"
guard=$folder/clean/bin/egress-guard
"$guard" --version
"$guard" rules test --tool shell_exec --args '{"command": "rm -rf /x"}' | grep 'Decision: DENY'
# `cat` answers a call with the call itself: what is denied does not come back.
call='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"shell_exec","arguments":{"command":"rm -rf /x"}}}'
echo "$call" | "$guard" run -- cat | grep -q EGRESS_DENY_DESTRUCTIVE_CMD
grep -q '"decision":"DENY"' egress_audit.jsonl
echo "works: $(python3 --version), $(uname -sm)"
