# SPDX-License-Identifier: MIT
# Progress lines for the project's shell tools; source it, do not run it.
#
#   say TEXT          one line, with the seconds since the tool started
#   step TEXT CMD...  run CMD with its output in a log; one line before and,
#                     where it took long, its time after; the log's tail and
#                     path when it fails, and CMD's exit status
#   die TEXT          one line on stderr, then exit 1
#
# The caller sets SAY_NAME (shown first) and STEP_LOG_DIR (where logs go).

SAY_START=$SECONDS

say() {
	printf '%s %3ds  %s\n' "${SAY_NAME:-}" "$((SECONDS - SAY_START))" "$*"
}

die() {
	printf '%s: %s\n' "${SAY_NAME:-error}" "$*" >&2
	exit 1
}

step() {
	local text=$1 log begin=$SECONDS status=0
	shift
	log=$STEP_LOG_DIR/$(printf '%s' "$text" | tr -c 'A-Za-z0-9.\n' '-').log
	mkdir -p "$STEP_LOG_DIR"
	say "$text"
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if ((status)); then
		printf '%s\n' "---- the last lines of $log:" >&2
		tail -n 25 "$log" >&2
		printf '%s\n' "---- failed with status $status: $text" >&2
	elif ((SECONDS - begin >= 2)); then
		say "  done, $((SECONDS - begin)) s"
	fi
	return "$status"
}
