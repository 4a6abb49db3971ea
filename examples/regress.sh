#!/usr/bin/env bash
# Guards a change: this commit against its parent, or against what is given. Exit code 0 fine, 1 slower, 2 not measured, 3 not to be told.
set -uo pipefail
base="${1:-HEAD~1}"
head="${2:-HEAD}"
shift $(($# > 2 ? 2 : $#))
npm ci --no-audit --no-fund --loglevel=error || exit 2
npm run -s build || exit 2
exec node dist/src/cli/main.js regress --base "$base" --head "$head" \
  --json regress.json --markdown regress.md --junit regress.xml --history regress-history.jsonl "$@"
