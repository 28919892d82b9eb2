#!/bin/sh
# A program that links amc_service alone carries no store, no engine's client and no RE2: what is not there cannot be
# missing on the machine where a service of one's own runs.
set -eu
program=$1
"$program"
libraries=$(ldd "$program")
echo "$libraries" | grep -q libboost_json || { echo "ldd tells nothing about $program: $libraries"; exit 1; }
if echo "$libraries" | grep -E 'sqlite|libpq|rabbitmq|rdkafka|nats|hiredis|re2|CLI11'; then
  echo "$program, which links amc_service alone, needs these; see LINK in src/service and what it links"
  exit 1
fi
