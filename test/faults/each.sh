# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# Sourced, after test/lib/count.sh: the tests of a program, each alone, and a note of what each has been through for
# the table of threads.py.

# begin_notes SYSTEM
begin_notes() {
    mkdir -p build/threads
    : >"build/threads/$1"
}

# note SYSTEM TEST WHAT...: the objects; or "skipped", and why
note() {
    note_of=build/threads/$1
    shift
    echo "$*" >>"$note_of"
}

# notes SYSTEM LOG: of all tests of a program, by what it said
notes() {
    awk '/^test_/ { test = $1 } /^   (parker|waiters|futex)$/ { of[test] = of[test] " " $1 }
        END { for (test in of) print test ":" of[test] }' "$2" >>"build/threads/$1"
}

# each_test SYSTEM PROGRAM SOURCE [NAME...]: all of SOURCE that PROGRAM has, or those. $inside is a command under
# which it runs.
each_test() {
    each_system=$1 each_program=$2 each_source=$3
    shift 3
    each_symbols=" $(nm "$each_program" | sed 's/.* //' | xargs) "
    [ $# -gt 0 ] || for name in $(grep -o 'TEST(test_[a-z_0-9]*)' "$each_source" | tr -d '()' | sed 's/^TEST//'); do
        case $each_symbols in *" $name "*) set -- "$@" "$name" ;; esac
    done
    ${inside-} sh "$PWD/test/faults/alone.sh" "$each_program" "$@" 2>&1 | cat >"$each_program.log"
    objects='' said='' lines='' last='' ended=0
    while IFS= read -r line; do
        case $line in
        'status 0 '*)
            name=${line#status 0 }
            good "$each_system, $name$said"
            [ -z "$objects" ] || note "$each_system" "$name:$objects"
            ;;
        'status 77 '*)
            name=${line#status 77 }
            skip "$each_system, $name" "${last#SKIPPED: }"
            note "$each_system" "$name: skipped, ${last#SKIPPED: }"
            ;;
        'status '*)
            bad "$each_system, $(echo "$line" | cut -d ' ' -f 3): status $(echo "$line" | cut -d ' ' -f 2)"
            printf '%s' "$lines" | tail -n 5 | sed 's/^/        /'
            ;;
        esac
        case $line in
        'status '*) objects='' said='' lines='' ended=$((ended + 1)) ;;
        '   parker' | '   waiters' | '   futex') objects="$objects ${line#   }" said="$said: ${line#   }" ;;
        '   '*) said="$said: ${line#   }" ;;
        *) lines="$lines$line
" ;;
        esac
        last=$line
    done <"$each_program.log"
    [ $ended -eq $# ] || bad "$each_system, $each_source: $ended of $# tests ended; the last said: $last"
}
