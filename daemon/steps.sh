# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What daemon/quickstart and tests/run share: one line a step with the time it took, Debian's
# packages, the build. Sourced; the caller has set -euo pipefail and owns the traps.

STEP_WIDTH=58

# step LABEL COMMAND...: runs it in this shell and out of sight. When it fails, what it printed is
# shown and the step has failed. A command may say what it did by writing a few words to
# descriptor 3. The output goes to files in STEP_FOLDER, not to pipes, which what the command leaves
# running would keep open.
step() {
	local label=$1 output=$STEP_FOLDER/step.log said=$STEP_FOLDER/step.said
	local status=0 began=$EPOCHREALTIME
	shift
	printf '%-*s ' "$STEP_WIDTH" "$label"
	"$@" 3>"$said" >"$output" 2>&1 </dev/null || status=$?
	if ((status == 0)); then
		printf '%6s s  %s\n' "$(seconds_since "$began")" "$(<"$said")"
	else
		printf '%6s s  FAILED\n' "$(seconds_since "$began")"
		tail -n 60 "$output" | sed 's/^/    /' >&2
	fi
	rm -f "$output" "$said"
	return "$status"
}

# The time since a value of EPOCHREALTIME, whatever the locale's decimal sign.
seconds_since() {
	local now=$EPOCHREALTIME
	local elapsed=$((${now//[!0-9]/} - ${1//[!0-9]/}))
	printf '%d.%d' $((elapsed / 1000000)) $((elapsed % 1000000 / 100000))
}

fail() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	exit 1
}

as_root() {
	if ((EUID == 0)); then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "packages are missing and there is neither root nor sudo: $*" >&2
		return 1
	fi
}

is_installed() {
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# The folder of the newest installed PostgreSQL server's programs; fails when there is none.
postgres_programs() {
	local programs
	programs=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
	[[ -x $programs ]] && dirname "$programs"
}

# Debian's server package makes and starts a cluster of its own when it is installed. This drop-in
# forbids that, and is there only while we install: a later installation is the operator's own.
NO_MAIN_CLUSTER=/etc/postgresql-common/createcluster.d/intaked-quickstart.conf

allow_main_cluster() {
	if [[ -e $NO_MAIN_CLUSTER ]]; then
		as_root rm -f "$NO_MAIN_CLUSTER"
	fi
}

forbid_main_cluster() {
	as_root mkdir -p "${NO_MAIN_CLUSTER%/*}" &&
		echo 'create_main_cluster = false' | as_root tee "$NO_MAIN_CLUSTER"
}

# install_packages NAME...: those that are missing, from Debian; apt is not touched when none is.
install_packages() {
	local name missing=()
	for name; do
		is_installed "$name" || missing+=("$name")
	done
	if ! postgres_programs; then
		missing+=(postgresql)
	fi
	if ((${#missing[@]} == 0)); then
		echo 'nothing was missing' >&3
		return
	fi
	if [[ " ${missing[*]} " == *' postgresql '* ]]; then
		forbid_main_cluster || return
	fi
	local status=0
	as_root apt-get -q update &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
			-o Dpkg::Options::=--force-confold install --no-install-recommends \
			"${missing[@]}" || status=$?
	allow_main_cluster
	((status == 0)) && echo "${#missing[@]} asked for" >&3
	return "$status"
}

# shellcheck disable=SC2034 # the scripts that source this add theirs to them
BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build pkgconf libevent-dev libssl-dev libjansson-dev
	libpq-dev libconfuse-dev libcurl4-openssl-dev libsystemd-dev zlib1g-dev)
# And what configuring demands for the tests.
# shellcheck disable=SC2034
CHECK_PACKAGES=(clang-format clang-tidy cppcheck groff-base libcmocka-dev mandoc python3)

# build SOURCE FOLDER CMAKE-OPTION...
build() {
	local source=$1 folder=$2
	shift 2
	cmake -S "$source" -B "$folder" -G Ninja "$@" && cmake --build "$folder"
}

# run_group COMMAND...: runs it in a process group of its own, so that end_group can end all of it,
# and returns its status. Signals are handled at once, not when the command is over.
run_group() {
	set -m
	"$@" </dev/null &
	GROUP=$!
	set +m
	wait "$GROUP"
	local status=$?
	GROUP=
	return "$status"
}

end_group() {
	[[ -n ${GROUP:-} ]] || return 0
	local group=$GROUP
	GROUP=
	kill -TERM -- "-$group" 2>/dev/null || return 0
	local tries=100
	while kill -0 -- "-$group" 2>/dev/null && ((tries-- > 0)); do
		sleep 0.1
	done
	kill -KILL -- "-$group" 2>/dev/null || true
	wait "$group" 2>/dev/null || true
}
