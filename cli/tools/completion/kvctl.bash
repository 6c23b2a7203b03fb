# Completion of kvctl for bash, made by `kvctl completion bash`. In ~/.bashrc:
#     source <(kvctl completion bash)
# kvctl itself says what may stand where: this asks it.

_kvctl() {
  local rest=$COMP_LINE blanks word breaks='' current kind
  local -a words=() found=()
  local -i i
  COMPREPLY=()
  # bash takes words apart at = and : too; they are put together again.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    blanks=${rest%%[![:blank:]]*}
    rest=${rest#"$blanks"}
    if [[ $blanks || $i == 0 ]]; then
      words+=("$word")
    else
      words[${#words[@]} - 1]+=$word
    fi
    rest=${rest#"$word"}
  done
  current=${words[${#words[@]} - 1]}
  mapfile -t found < <("${words[0]}" completion words -- "${words[@]:1}" 2>/dev/null)
  kind=${found[0]-}
  # What is replaced begins behind the last = or : again.
  [[ $COMP_WORDBREAKS == *=* ]] && breaks+='='
  [[ $COMP_WORDBREAKS == *:* ]] && breaks+=':'
  case $kind in
  files | dirs)
    compopt -o filenames 2>/dev/null
    [[ $current == --*=* ]] && current=${current#*=}
    if [[ $kind == dirs ]]; then
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
    else
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
    ;;
  words)
    COMPREPLY=("${found[@]:1}")
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
    if [[ $breaks && $current == *["$breaks"]* ]]; then
      word=${current%"${current##*["$breaks"]}"}
      COMPREPLY=("${COMPREPLY[@]#"$word"}")
    fi
    ;;
  esac
}

complete -F _kvctl kvctl
