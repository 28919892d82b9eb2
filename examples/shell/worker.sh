#!/usr/bin/env bash
# Greets whoever a message of a queue names: worker.sh [QUEUE] [BROKER]. Needs curl and jq. SIGTERM ends it once it has
# answered.
queue=${1:-greetings} broker=${2:-http://127.0.0.1:4000} worker=$(cat /proc/sys/kernel/random/uuid)
asking='' stopping=''
# Only a request that brings nothing along is cut short: what was on its way is given to somebody else.
trap 'stopping=1; [ -z "$asking" ] || kill "$asking"' TERM

ask() { curl -sS --fail-with-body -H @<(printf %s "${AMC_TOKEN:+Authorization: Bearer $AMC_TOKEN}") "$@"; } # a token is not for ps
receive() { # OUTCOMES WAIT
  ask --max-time $(($2 + 10)) -H "Prefer: wait=$2" "$broker/queues/$queue/receive" \
    --data-binary @- <<<"$(jq -n --arg worker "$worker" --argjson max "${stopping:+0}${stopping:-1}" \
    --argjson outcomes "$1" '{service: "greeter", $worker, max: (if $max == 1 then 1 else 0 end)} + $outcomes')"
}
handle() { echo "Hello, $1!"; }

until [ -n "$stopping" ]; do
  reply=$(mktemp); receive '{}' 20 >"$reply" & asking=$!
  wait "$asking"; ok=$?; asking=''; delivery=$(jq -c '.deliveries[0] // empty' "$reply" 2>/dev/null); rm "$reply"
  if [ "$ok" -ne 0 ]; then [ -n "$stopping" ] || sleep 1; continue; fi # the broker is away, or restarts
  [ -n "$delivery" ] || continue
  if text=$(handle "$(jq -r .message <<<"$delivery")" 2>&1); then
    outcome=$(jq -c --arg text "$text" '{answers: [{id, revision, message: $text, done: true}]}' <<<"$delivery")
  else
    outcome=$(jq -c --arg why "$text" '{failures: [{id, revision, claim, error: $why}]}' <<<"$delivery")
  fi
  until ask --retry 1000 --retry-delay 1 -o /dev/null "$broker/queues/$queue/receive" --data-binary \
    "$(jq -c --arg worker "$worker" '{service: "greeter", $worker, max: 0} + .' <<<"$outcome")" || [ $? -eq 22 ]; do sleep 1; done # 22: refused
done
