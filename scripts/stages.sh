# For scripts that do one long thing after another: `stage NAME COMMAND …` runs it and says how long it took; all of them are
# summed up when the script ends, in whatever way.
stages=()

stage() {
  local name=$1 begin=$SECONDS outcome=passed
  shift
  echo "== $name"
  "$@" || outcome=FAILED
  stages+=("$(printf '%-28s %6s   %s' "$name" "$((SECONDS - begin)) s" "$outcome")")
  echo "== ${stages[-1]}"
  [ "$outcome" = passed ]
}

tell_stages() {
  [ ${#stages[@]} -eq 0 ] || printf '== %s\n' "all together: $((SECONDS / 60)) min $((SECONDS % 60)) s" "${stages[@]}"
}
trap tell_stages EXIT
