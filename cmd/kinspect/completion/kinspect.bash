# Completion of kinspect for bash: eval "$(kinspect completion bash)", or this in
# /usr/share/bash-completion/completions/kinspect. What there is to complete, kinspect says.
_kinspect() {
	local cur=${COMP_WORDS[COMP_CWORD]} kind line program=${COMP_WORDS[0]/#\~/$HOME} IFS=$'\n'
	COMPREPLY=()
	[ "$cur" = = ] && cur= # bash takes --core=FILE for three words
	{
		read -r kind
		if [ "$kind" = files ]; then
			compopt -o filenames 2>/dev/null
			COMPREPLY=($(compgen -f -- "$cur"))
			return
		fi
		while read -r line; do
			line=${line%%$'\t'*}
			[[ $line == "$cur"* ]] && COMPREPLY+=("$(printf %q "$line")")
		done
	} < <("$program" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _kinspect kinspect
