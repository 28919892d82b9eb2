#!/usr/bin/env bash
# Sends a message and prints its answer: requester.sh TEXT [QUEUE] [BROKER]. Needs curl and jq.
set -euo pipefail
text=${1:-World} queue=${2:-greetings} broker=${3:-http://127.0.0.1:4000}
key=$(cat /proc/sys/kernel/random/uuid) # the same request again makes no second message
ask() { curl -sS --fail-with-body -H @<(printf %s "${AMC_TOKEN:+Authorization: Bearer $AMC_TOKEN}") "$@"; } # a token is not for ps
status=pending
while [ "$status" = pending ]; do
  message=$(ask --retry 1000 --retry-delay 1 -H 'Prefer: wait=20' -H "Idempotency-Key: $key" \
    "$broker/queues/$queue/messages" --data-binary "$(jq -n --arg text "$text" '{message: $text}')") || {
    [ $? -ne 22 ] || { jq -r .detail <<<"$message" >&2; exit 1; } # refused
    sleep 1; continue # the broker is away, or restarts
  }
  status=$(jq -r .status <<<"$message")
done
[ "$status" = done ] || { echo "$status" >&2; exit 1; }
jq -r .message <<<"$message"
