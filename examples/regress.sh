#!/usr/bin/env bash
# Guards a change: compares this commit with its parent, or with the given base. Exit status: 0 no slowdown, 1 slowdown, 2 error, 3 inconclusive.
set -uo pipefail
base="${1:-HEAD~1}"
head="${2:-HEAD}"
shift $(($# > 2 ? 2 : $#))
npm ci --no-audit --no-fund --loglevel=error || exit 2
npm run -s build || exit 2
exec node dist/src/cli/main.js regress --base "$base" --head "$head" \
  --json regress.json --markdown regress.md --junit regress.xml --history regress-history.jsonl "$@"
