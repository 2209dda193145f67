# SPDX-License-Identifier: MIT
# Installing Debian packages; sourced by tools/setup.
#
# What is installed is asked of dpkg every time (some tens of milliseconds):
# a stamp would be wrong on a machine that shares only the cache.

APT_WAIT=(-o DPkg::Lock::Timeout=600 -o Acquire::Retries=5
	-o Acquire::http::Timeout=60 -o Acquire::https::Timeout=60)

# The names in the lists of the given groups, each once.
packages_of() {
	local group
	for group; do
		sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$SETUP_PARTS/$group.list"
	done | sort -u
}

# Of the names on stdin, those that are not installed.
missing_packages() {
	local names
	mapfile -t names
	comm -23 <(printf '%s\n' "${names[@]}" | sort -u) \
		<(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' \
			"${names[@]}" 2>/dev/null | sed -n 's/^ii *//p' | sort -u)
}

# While packages are configured, no maintainer script may start a service:
# policy-rc.d answers 101 for every one. A policy that was there comes back.
forbid_services() {
	local policy=/usr/sbin/policy-rc.d
	if [[ -e $policy && ! -e $policy.hugespan-saved ]]; then
		mv "$policy" "$policy.hugespan-saved"
	fi
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap restore_services EXIT
}

restore_services() {
	local policy=/usr/sbin/policy-rc.d
	rm -f "$policy"
	if [[ -e $policy.hugespan-saved ]]; then
		mv "$policy.hugespan-saved" "$policy"
	fi
	trap - EXIT
}

apt_install() {
	local -x DEBIAN_FRONTEND=noninteractive
	local install=(apt-get "${APT_WAIT[@]}" install -y
		--no-install-recommends "$@")
	# A list of packages that is missing or old shows itself as a failure.
	"${install[@]}" || {
		apt-get "${APT_WAIT[@]}" update && "${install[@]}"
	}
}

# Install what is missing of the given groups. Fails when something is missing
# and this user cannot install it, after saying which command would.
install_packages() {
	local missing had_redis=no
	mapfile -t missing < <(packages_of "$@" | missing_packages)
	if ((${#missing[@]} == 0)); then
		return 0
	fi
	if ((EUID != 0)); then
		say "not root, so these packages cannot be installed here:" \
			"${missing[*]}"
		say "run: sudo apt-get update && sudo apt-get install -y" \
			"--no-install-recommends ${missing[*]}"
		return 1
	fi
	if dpkg-query -W redis-server >/dev/null 2>&1; then
		had_redis=yes
	fi
	forbid_services
	step "install ${#missing[@]} packages" apt_install "${missing[@]}" || {
		restore_services
		return 1
	}
	restore_services
	# The program is wanted, not a server that starts with the machine.
	if [[ $had_redis == no ]] && command -v systemctl >/dev/null; then
		systemctl --quiet disable redis-server.service \
			>/dev/null 2>&1 || true
	fi
}
