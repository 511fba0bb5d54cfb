# Completion of kinspect for fish: kinspect completion fish | source, or this as
# ~/.config/fish/completions/kinspect.fish. What there is to complete, kinspect says.
function __kinspect_complete
    set -l typed (commandline -opc)
    set -l cur (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $typed[1])
    set -l lines ($program completion words -- $typed[2..-1] "$cur" 2>/dev/null)
    set -l flag (string match -r -- '^--[a-z-]*=' "$cur")
    if test "$lines[1]" = files
        for path in (__fish_complete_path (string replace -r -- '^--[a-z-]*=' '' "$cur"))
            echo "$flag$path"
        end
        return
    end
    for line in $lines[2..-1]
        echo "$flag$line"
    end
end
complete -c kinspect -f -a '(__kinspect_complete)'
