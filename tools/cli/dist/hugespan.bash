# SPDX-License-Identifier: MIT
# bash completion for hugespan(1). Everything is asked of the command itself,
# so that nothing has to be listed here too.
# shellcheck shell=bash

# The long options that a subcommand's help speaks of.
_hugespan_options() {
	"$1" "$2" --help 2>/dev/null |
		grep -oE -- '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,' | sort -u
}

# The values of a `run` option, where they are words.
_hugespan_values() {
	"$1" run --help-options 2>/dev/null |
		awk -v option="--$2" '$1 == option && $2 ~ /[|]/ {
			gsub(/[|]/, "\n", $2); print $2
		}'
}

# Is the word behind this option of `run` its value? ("--lib PATH"; "[=VALUE]"
# is one word.)
_hugespan_takes_word() {
	"$1" run --help 2>/dev/null | grep -qE -- "^ +$2 [A-Z]+"
}

# The word that `run` starts, as an index; 0 while there is none.
_hugespan_run_command() {
	local i
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--) printf '%d' "$((i + 1))"; return ;;
		-*) ;;
		=) ((i++)) ;;
		*)
			if ! _hugespan_takes_word "$1" "${COMP_WORDS[i - 1]}"; then
				printf '%d' "$i"
				return
			fi ;;
		esac
	done
	printf '0'
}

_hugespan() {
	local command=${COMP_WORDS[0]} sub=${COMP_WORDS[1]:-}
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local words start

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words="$("$command" help --commands 2>/dev/null) --help --version"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
	fi
	case $sub in
	help)
		words=$("$command" help --commands 2>/dev/null)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
		;;
	run)
		start=$(_hugespan_run_command "$command")
		if ((start > 0)); then
			if ((COMP_CWORD == start)); then
				mapfile -t COMPREPLY < <(compgen -c -- "$word")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$word")
			fi
			return
		fi
		# "--option value" and "--option=value" (bash cuts at '=').
		if [[ $word == '=' ]]; then
			word=
		elif [[ $before == '=' ]]; then
			before=${COMP_WORDS[COMP_CWORD - 2]}
		elif ! _hugespan_takes_word "$command" "$before"; then
			before=
		fi
		words=$(_hugespan_values "$command" "${before#--}")
		if [[ -n $words ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
			return
		fi
		;;
	pool)
		if [[ $word != -* ]] && ((COMP_CWORD == 2)); then
			mapfile -t COMPREPLY < <(compgen -W 'load unload grow shrink' -- "$word")
			return
		fi
		;;
	esac
	if [[ $word == -* ]]; then
		words=$(_hugespan_options "$command" "$sub")
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	elif [[ $sub == run ]]; then
		mapfile -t COMPREPLY < <(compgen -c -- "$word")
	elif [[ $sub == stat ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(ps -eo pid=)" -- "$word")
	fi
}

complete -F _hugespan hugespan
