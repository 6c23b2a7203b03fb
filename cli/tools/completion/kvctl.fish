# Completion of kvctl for fish, made by `kvctl completion fish`:
#     kvctl completion fish > ~/.config/fish/completions/kvctl.fish
# kvctl itself says what may stand where: this asks it.

function __kvctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found (command $words[1] completion words -- $words[2..-1] "$current" 2>/dev/null)
    # --option=value: paths are those of the value, and the whole word is offered.
    set -l head (string match -r -- '^--[^=]*=' "$current")
    set -l path (string replace -- "$head" '' "$current")
    switch "$found[1]"
        case files
            for one in (__fish_complete_path "$path")
                printf '%s%s\n' "$head" $one
            end
        case dirs
            for one in (__fish_complete_directories "$path")
                printf '%s%s\n' "$head" $one
            end
        case words
            for one in $found[2..-1]
                printf '%s\n' $one
            end
    end
end

complete -c kvctl -f -a '(__kvctl_complete)'
