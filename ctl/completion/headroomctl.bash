# bash completion for headroomctl, headroomd and headroom-engine.
#
# Commands and options are read from the programs' own --help, so that this file cannot fall behind them. Model names
# come from the daemon, where one answers.

# The options that `PROGRAM [COMMAND] --help` names.
_headroom_options() {
        "$@" --help 2>/dev/null | grep -oE -- '(^|[[:space:],[|])--?[a-z][a-z-]*' | grep -oE -- '-.*' | sort -u
}

# The words of the list headed "commands:".
_headroom_commands() {
        "$1" --help 2>/dev/null | awk '/^commands:/ { on = 1; next } on && !/^  / { exit } on { print $1 }'
}

# Sets COMPREPLY to those of the lines on stdin that begin with $1, quoted; $2 is what readline has put aside before
# the last ':' or '='.
_headroom_offer() {
        local line
        COMPREPLY=()
        while IFS= read -r line; do
                [[ -n $line && $line == "$1"* ]] || continue
                line=${line#"$2"}
                [[ $line == *[^[:alnum:]_.,:@%+-]* ]] && line=$(printf '%q' "$line")
                COMPREPLY+=("$line")
        done
        return 0
}

_headroom_offer_files() { # WORD [EXTENSION]
        local file
        COMPREPLY=()
        compopt -o filenames 2>/dev/null
        while IFS= read -r file; do
                [[ -z ${2-} || -d $file || $file == *"$2" ]] && COMPREPLY+=("$file")
        done < <(compgen -f -- "$1")
        return 0
}

# The words that may follow the option $1; false when it takes no value that we know of.
_headroom_value() { # OPTION WORD PREFIX
        local before=''
        case $1 in
        --kv | --kv-floor)
                [[ $2 == *,* ]] && before=${2%,*},
                _headroom_offer "$2" "$3" < <(printf '%s\n' "$before"{f16,q8_0,q4_0} ${perplexity:+all})
                ;;
        --class) _headroom_offer "$2" "$3" < <(printf '%s\n' interactive batch) ;;
        --allow) _headroom_offer "$2" "$3" < <(headroomctl models --quiet 2>/dev/null) ;;
        --pooling) _headroom_offer "$2" "$3" < <(printf '%s\n' mean cls last none) ;;
        --socket | --config | --file | --plot | --messages | --tools | --variables | --json-schema | --grammar) _headroom_offer_files "$2" ;;
        --context | --ctx | --parallel | --threads | --budget | --reserve | --weights-fraction | --bandwidth | --chunks | --dimensions | --kv-tokens | --batch | --depth | --repeat | --seed | --minutes | --rate | --concurrent) COMPREPLY=() ;;
        --prompt | --tokens | --then | --stop | --bos | --eos) COMPREPLY=() ;;
        *) return 1 ;;
        esac
}

_headroom() {
        local program=$1 line word prefix='' option='' command='' words skip='' perplexity='' w socket=()
        COMPREPLY=()
        line=${COMP_LINE:0:COMP_POINT}
        word=${line##*[[:space:]]}
        [[ $word == *[:=]* ]] && prefix=${word%"${word##*[:=]}"}

        # The command is the first word that is neither an option nor the value of one.
        read -ra words <<<"${line%"$word"}"
        for w in "${words[@]:1}"; do
                if [[ -n $skip ]]; then
                        [[ $skip == --socket ]] && socket=(--socket "$w")
                        skip=
                elif [[ $w == --socket=* ]]; then
                        socket=("$w")
                elif [[ $w == --socket || $w == --config ]]; then
                        skip=$w
                elif [[ $w != -* && -z $command ]]; then
                        command=$w
                fi
        done
        [[ ${program##*/} == headroomd ]] && command=
        [[ $command == perplexity ]] && perplexity=1

        if [[ $word == --*=* ]]; then
                option=${word%%=*}
                _headroom_value "$option" "${word#*=}" "" && return
        elif [[ ${#words[@]} -gt 1 ]]; then
                _headroom_value "${words[-1]}" "$word" "$prefix" && return
        fi
        if [[ $word == -* ]]; then
                _headroom_offer "$word" "" < <(_headroom_options "$program" ${command:+"$command"})
        elif [[ -z $command && ${program##*/} != headroomd ]]; then
                _headroom_offer "$word" "" < <(_headroom_commands "$program")
        else
                case ${program##*/}/$command in
                headroomctl/load | headroomctl/status | headroomctl/events | headroomctl/explain | headroomctl/trace | headroomctl/protect) _headroom_offer "$word" "$prefix" < <("$program" "${socket[@]}" models --quiet 2>/dev/null) ;;
                headroomctl/unload) _headroom_offer "$word" "$prefix" < <("$program" "${socket[@]}" ps --quiet 2>/dev/null) ;;
                headroomctl/key) _headroom_offer "$word" "$prefix" < <(printf '%s\n' add list remove) ;;
                headroomctl/simulate) _headroom_offer_files "$word" .scenario ;;
                headroomctl/record) _headroom_offer_files "$word" ;;
                headroom-engine/perplexity) # the model, then the text
                        if [[ ${#words[@]} -gt 2 && "${words[*]:2}" == *.gguf* ]]; then
                                _headroom_offer_files "$word"
                        else
                                _headroom_offer_files "$word" .gguf
                        fi
                        ;;
                headroomctl/fit | headroom-engine/*) _headroom_offer_files "$word" .gguf ;;
                esac
        fi
}

complete -F _headroom headroomctl headroomd headroom-engine
