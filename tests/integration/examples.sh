#!/usr/bin/env bash
# Runs the worker and the requester of one language against a broker, kills the broker with SIGKILL while a message is
# under way, starts it again, and ends the worker in peace; then once more over TLS, each with a token of its own:
# examples.sh AMC LANGUAGE
set -euo pipefail
amc=$(realpath "$1") language=$2
cd "$(dirname "$0")/../../examples"
case $language in
  python) worker=(python3 python/worker.py) requester=(python3 python/requester.py) needs=(python3) ;;
  shell) worker=(shell/worker.sh) requester=(shell/requester.sh) needs=(curl jq) ;;
  node) worker=(node node/worker.mjs) requester=(node node/requester.mjs) needs=(node) ;;
  go) needs=(go) ;;
esac
for tool in "${needs[@]}"; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: the example in $language needs $tool, which is not here"; exit 77; }
done
folder=$(mktemp -d)
broker='' service=''
clean_up() {
  for pid in $service $broker; do kill -KILL "$pid" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap clean_up EXIT
if [ "$language" = go ]; then
  export GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$folder/cache
  (cd go && go build -o "$folder" ./worker ./requester) 2>"$folder/go.log" || {
    cat "$folder/go.log"; exit 1; }
  worker=("$folder/worker") requester=("$folder/requester")
fi

port=0
access=()
start_broker() { # the first time on any free port
  : >"$folder/broker.log"
  "$amc" broker --set "broker.http.port=$port" --set "broker.store.sqlite.path=$folder/messages.db" "${access[@]}" \
    2>"$folder/broker.log" &
  broker=$!
  until url=$(grep -o 'listening on https\?://[^ ]*' "$folder/broker.log"); do
    kill -0 "$broker" || { cat "$folder/broker.log"; exit 1; }
    sleep 0.05
  done
  url=${url#listening on } port=${url##*:}
}
fail() { echo "$1"; cat "$folder"/*.log; exit 1; }
is_answered() { [ "$(AMC_TOKEN=${requester_token:-} timeout 60 "${requester[@]}" "$1" greetings "$url")" = "Hello, $1!" ] || fail "$1 was not greeted"; }

start_broker
"${worker[@]}" greetings "$url" 2>"$folder/worker.log" &
service=$!
is_answered Ada
kill -KILL "$broker" && wait "$broker" || true
timeout 60 "${requester[@]}" Grace greetings "$url" >"$folder/grace.log" 2>&1 & # while the broker is away
asking=$!
start_broker
wait "$asking" && grep -q 'Hello, Grace!' "$folder/grace.log" || fail "who asked while the broker was away was not answered"
is_answered Edsger
end_worker() {
  kill -TERM "$service"
  wait "$service" || fail "the worker did not end in peace: $?"
  service=''
}
end_worker
kill -TERM "$broker" && wait "$broker"

new_token() { # NAME RIGHTS
  "$amc" token new "$1" --may "$2" >"$folder/new"
  tail -n +2 "$folder/new" >>"$folder/tokens.yaml"
  head -n 1 "$folder/new"
}
(cd "$folder" && openssl req -x509 -days 2 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=localhost \
  -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem 2>openssl.log)
worker_token=$(new_token worker serve:greetings) requester_token=$(new_token requester send:greetings)
export SSL_CERT_FILE=$folder/certificate.pem NODE_EXTRA_CA_CERTS=$folder/certificate.pem CURL_CA_BUNDLE=$folder/certificate.pem
access=(--set "broker.access.tokens_file=$folder/tokens.yaml" --set "broker.http.tls.certificate_file=$folder/certificate.pem"
  --set "broker.http.tls.key_file=$folder/key.pem")
port=0
start_broker
AMC_TOKEN=$worker_token "${worker[@]}" greetings "$url" 2>"$folder/worker.log" &
service=$!
is_answered Barbara
[ "$(AMC_TOKEN=$worker_token timeout 60 "${requester[@]}" Mallory greetings "$url" 2>&1)" != 'Hello, Mallory!' ] ||
  fail "a token without the right to send has sent"
end_worker
echo "$language: answered before, while and after the broker was killed, and over TLS with tokens"
