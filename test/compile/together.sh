# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# Sourced: the core in a few units, as the one file has it in one. A small file costs little more than the start of the
# compiler.

# units WHAT: a line a unit, its name and its files, from the tree's root. WHAT is a kind, or locks. Futex and
# cancellation, which a program may lack, stay apart.
units() {
    case $1 in
    locks) echo "locks $(find core/locks -name '*.c' | LC_ALL=C sort | xargs)" ;;
    *)
        echo "$1-core core/now.c core/park_$1.c core/park_with_$1.c core/waiters_$1.c core/waiters_with_$1.c"
        echo "$1-futex core/cancel.c core/futex_$1.c core/futex_requeue_$1.c core/futex_with_$1.c"
        ;;
    esac
}

# renamed WHOSE: what more than one file of a unit has for itself under the same name gets another one
renamed() {
    for word in word_of take sleep_once; do
        printf '#undef %s\n#define %s %s_of_%s\n' "$word" "$word" "$word" "$1"
    done
}

# unit_text FILE...: a unit as the text of one file. What it includes is where the compiler is told to look, whatever
# the directory.
unit_text() {
    [ $# -eq 1 ] || echo '#define VALET_HAS_MACHINE'
    for part; do
        name=${part##*/} name=${name%.c}
        case $name in
        *_with* | *_requeue*) ;; # goes on with what is before it
        *) renamed "$name" ;;
        esac
        echo "#include <$part>"
    done
}

# together WHAT TREE COMPILER ARGUMENT...: those units of the core in TREE, which is also where the arguments have the
# compiler look for headers, each an object here. WHAT may have the word "plain" behind it: without the calls with
# flags, which are the same machines once more.
together() {
    of=$1 tree_of=$2
    shift 2
    (cd "$tree_of" && units "${of% plain}") >listed
    case $of in *' plain') sed -i 's/ [^ ]*\(_with\|_requeue\|cancel\)[^ ]*//g' listed ;; esac
    while read -r unit files; do
        # shellcheck disable=SC2086 # a list of words
        unit_text $files | "$@" -x c -c - -o "$unit.o" || return
    done <listed
}
