#compdef kinspect
# Completion of kinspect for zsh: eval "$(kinspect completion zsh)" behind compinit, or this as _kinspect in a
# directory of $fpath. What there is to complete, kinspect says.
_kinspect() {
	local -a lines names shown
	local line
	lines=("${(@f)$("${(Q)words[1]/#\~/$HOME}" completion words -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ ${lines[1]} == files ]]; then
		[[ $PREFIX == --*=* ]] && compset -P '*='
		_files
		return
	fi
	for line in "${(@)lines[2,-1]}"; do
		[[ -n $line ]] || continue
		names+=("${line%%$'\t'*}")
		shown+=("${line/$'\t'/  }")
	done
	[[ $PREFIX == --*=* ]] && compset -P '*='
	compadd -l -d shown -a names
}
if [[ ${funcstack[1]} == _kinspect ]]; then
	_kinspect "$@"
else
	compdef _kinspect kinspect
fi
