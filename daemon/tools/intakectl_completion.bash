
# The tables above are those that the program takes its command line apart by: the options of each
# command, what stands behind it, and what stands behind each option.

# _intakectl_offer KIND [WORD...]: what the word before the cursor can become.
_intakectl_offer() {
	case ${1-} in
	file) _intakectl_offer_names -f ;;
	folder) _intakectl_offer_names -d ;;
	partner) _intakectl_offer_column 1 partner list ;;
	key) _intakectl_offer_column 2 cert list ;;
	words | perhaps) _intakectl_offer_words "${*:2}" ;;
	esac
}

_intakectl_offer_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_intakectl_offer_names() {
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

# A column of what a command prints; nothing when the database does not answer soon.
_intakectl_offer_column() {
	local column=$1 fields found=()
	while read -ra fields; do
		found+=("${fields[column - 1]}")
	done < <(timeout 3 "${COMP_WORDS[0]/#\~/${HOME-}}" "${conf[@]}" "${@:2}" 2>/dev/null </dev/null)
	_intakectl_offer_words "${found[*]:1}"
}

# Collects the words before the cursor that are neither options nor their values.
_intakectl_read_line() {
	local i word next
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		[[ -n $word ]] || continue
		case ${_intakectl_values[$word]-} in
		'')
			[[ $word == [-=]* ]] || words+=("$word")
			continue
			;;
		perhaps*)
			next=${COMP_WORDS[i + 1]}
			[[ $next == = || " ${_intakectl_values[$word]} " == *" $next "* ]] || continue
			;;
		esac
		# In --name=value the sign is a word of its own.
		((i++))
		[[ ${COMP_WORDS[i]} == = ]] && ((i++))
		if [[ $word == -c || $word == --conf ]]; then
			conf=(-c "${COMP_WORDS[i]/#\~/${HOME-}}")
		fi
	done
}

# The next words of commands that begin with those that are there.
_intakectl_offer_commands() {
	local command
	for command in "${!_intakectl_options[@]}"; do
		if ((${#words[@]} == 0)); then
			found+=("${command%% *}")
		elif [[ $command == "${words[0]} "* ]]; then
			found+=("${command#* }")
		fi
	done
	[[ $current == -* ]] && found=("$_intakectl_common")
	_intakectl_offer_words "${found[*]}"
}

_intakectl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local words=() conf=() found=() kind command
	COMPREPLY=()
	[[ $current == = ]] && current=
	[[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
	_intakectl_read_line
	kind=${_intakectl_values[${previous:-none}]-}
	# Behind an option whose value may be left out, another option may be meant.
	if [[ -n $kind && ! ($kind == perhaps* && $current == -*) ]]; then
		# shellcheck disable=SC2086
		_intakectl_offer $kind
		return
	fi
	for command in "${words[0]-}" "${words[*]:0:2}"; do
		[[ -n $command && -n ${_intakectl_options[$command]-} ]] || continue
		if [[ $current == -* ]]; then
			_intakectl_offer_words "${_intakectl_options[$command]}"
		elif [[ ${words[*]} == "$command" ]]; then
			# shellcheck disable=SC2086
			_intakectl_offer ${_intakectl_operands[$command]-}
		fi
		return
	done
	((${#words[@]} < 2)) && _intakectl_offer_commands
}

complete -F _intakectl intakectl
