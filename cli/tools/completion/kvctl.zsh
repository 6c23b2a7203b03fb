#compdef kvctl
# Completion of kvctl for zsh, made by `kvctl completion zsh`. In ~/.zshrc, behind compinit:
#     source <(kvctl completion zsh)
# or as a file _kvctl in a folder of $fpath. kvctl itself says what may stand where: this asks it.

_kvctl() {
  local -a found described
  local line kind program=${~words[1]}
  found=("${(@f)$("$program" completion words -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  kind=${found[1]}
  shift found
  case $kind in
  files)
    compset -P '--*='
    _files
    ;;
  dirs)
    compset -P '--*='
    _files -/
    ;;
  words)
    for line in "${found[@]}"; do
      # A colon parts a word from what it means.
      described+=("${${line%%$'\t'*}//:/\\:}${${${line#*$'\t'}:+:}}${line#*$'\t'}")
    done
    _describe 'kvctl' described
    ;;
  esac
}

if [[ ${funcstack[1]-} == _kvctl ]]; then
  _kvctl "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _kvctl kvctl
fi
