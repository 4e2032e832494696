#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Other people's flags: what a distribution, a kernel or a user adds to the command line. Whatever it is, the
# library in a freestanding build needs no symbol that it does not need without it; but those of the runtime
# that the flag asks for by its nature (a sanitizer's); or the compilation stops with a line that says why.
#
# The forms: the tree's files, the one file by itself, and VALET_STATIC in a user's file; for linux and for an
# embedder's system of the sema kind. The two other forms are mostly core/locks/, the same for both: where both
# compilers know a flag, each takes one of the systems in one form, and the other in the other. Usage: flags.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/compile/together.sh
root=$PWD
dir=$root/build/flags
rm -rf "$dir"
mkdir -p "$dir"

# Compilers, flags, and what comes of them in the tree, the one file and VALET_STATIC. "none": nothing is undefined.
# "error: ...": it does not compile, and says this. "-": not tried. Else patterns of the symbols that may be: with
# VALET_STATIC also what the user's own function needs, with what is inlined there. The flags come after -O2 -fPIC.
# With a cross: also in a run that is not deep, which has each second of those, and each eighth of the others.
table='
+ gcc clang | -O0                                    | none | none | none
  gcc clang | -Og                                    | none | none | none
  gcc clang | -fno-inline -fno-builtin               | - | none | none
  gcc clang | -fstack-protector                      | none | none | none
+ gcc clang | -fstack-protector-strong               | none | none | __stack_chk_fail
  gcc clang | -Os -fstack-protector-strong           | none | none | __stack_chk_fail
+ gcc clang | -fstack-protector-all                  | error: add -fno-stack-protector | none | __stack_chk_fail
  gcc clang | -O0 -fstack-protector-strong           | error: add -fno-stack-protector | none | __stack_chk_fail
  gcc clang | -fno-inline -fstack-protector-strong   | error: add -fno-stack-protector | none | __stack_chk_fail
  gcc       | -fstack-protector-explicit             | - | none | none
+ gcc clang | -ftrivial-auto-var-init=pattern        | none | none | none
  gcc clang | -O0 -ftrivial-auto-var-init=pattern    | none | none | none
  gcc       | -ftrivial-auto-var-init=zero           | - | none | none
  gcc clang | -D_FORTIFY_SOURCE=2                    | - | none | none
  gcc clang | -fstack-clash-protection -fcf-protection | - | none | none
  gcc       | -fstack-check                          | - | none | none
  gcc       | -fzero-call-used-regs=all              | - | none | none
  gcc clang | -ftrapv                                | - | __[a-z]+v[sd]i[23] | __[a-z]+v[sd]i[23]
  gcc clang | -fsanitize=undefined -fsanitize-undefined-trap-on-error | - | none | none
  gcc clang | -mno-red-zone                          | - | none | none
  gcc clang | -mgeneral-regs-only                    | none | none | none
  gcc clang | -O0 -mgeneral-regs-only                | - | none | none
  gcc clang | -mno-sse -mno-mmx -msoft-float         | - | none | none
  gcc clang | -mcmodel=kernel -fno-pic               | - | none | none
  gcc clang | -mcmodel=large -fno-pic                | - | none | none
  gcc clang | -mcmodel=medium                        | - | none | none
  gcc clang | -fPIE -fno-plt                         | - | none | none
  gcc clang | -fshort-enums -funsigned-char          | - | none | none
  gcc clang | -fpack-struct=4                        | error: structs are packed | - | -
+ gcc clang | -fpack-struct=8                        | - | error: structs are packed | error: structs are packed
+ gcc clang | -mx32                                  | error: this is x32 | error: this is x32 | error: this is x32
  gcc clang | -m32                                   | - | error: for this CPU | error: for this CPU
  gcc clang | -fsplit-stack                          | - | __morestack | __morestack
  gcc clang | -finstrument-functions                 | - | __cyg_profile_.* | __cyg_profile_.*
  gcc clang | -pg                                    | - | _*mcount | _*mcount
  gcc       | --coverage                             | - | __gcov_.* | __gcov_.*
  clang     | --coverage                             | - | llvm_gc.* | llvm_gc.*
  gcc       | -fprofile-generate                     | - | __gcov_.* __tls_get_addr | __gcov_.* __tls_get_addr
  clang     | -fprofile-instr-generate               | - | __llvm_.* | __llvm_.*
  gcc clang | -fsanitize=address                     | - | __asan_.* | __asan_.*
  gcc clang | -fsanitize=thread                      | - | __tsan_.* | __tsan_.*
  gcc clang | -fsanitize=undefined                   | - | __ubsan_.* | __ubsan_.*
  clang     | -fsanitize=memory                      | - | __msan_.* memset | __msan_.* memset
  clang     | -fsanitize=safe-stack                  | - | __safestack_.* | __safestack_.*
  gcc       | -fsanitize-coverage=trace-pc           | - | __sanitizer_.* | __sanitizer_.*
  gcc-aarch64 clang-aarch64 | -moutline-atomics                      | - | __aarch64_.* | __aarch64_.*
  gcc-aarch64 clang-aarch64 | -mno-outline-atomics -mbranch-protection=standard | - | none | none
  gcc-aarch64 clang-aarch64 | -mno-outline-atomics -mgeneral-regs-only -O0 | - | none | none
  gcc-aarch64 | -mabi=ilp32                            | error: or ILP32 | error: or ILP32 | error: or ILP32
  clang-aarch64 | -mno-outline-atomics -ffixed-x18 -fsanitize=shadow-call-stack | - | none | none
  gcc-riscv64 clang-riscv64 | -O0 -mcmodel=medany                    | - | none | none
  gcc-i386 clang-i386 | -O0 -fno-pic                                 | none | - | -
  gcc-i386 clang-i386 | -fstack-protector-strong -march=i486         | none | - | -
+ gcc-i386 clang-i386 | -mregparm=3 -fno-omit-frame-pointer          | none | - | -
  gcc-riscv64 clang-riscv64 | -Os -msave-restore                     | - | __riscv_.* | __riscv_.*
'

# by COMPILER ARGUMENT...
by() {
    which=$1
    shift
    case $which in
    gcc | clang) "$which" "$@" ;;
    gcc-i386) i686-linux-gnu-gcc "$@" ;;
    gcc-*) "${which#gcc-}-linux-gnu-gcc" "$@" ;;
    clang-*) clang "--target=${which#clang-}-linux-gnu" "$@" ;;
    esac
}

# The one file of both, each in a directory of its own
one_file() { # TREE
    for row in linux:futex:linux.c external:sema:-; do
        kind=${row#*:}
        mkdir -p "$dir/${row%%:*}"
        python3 -BS "$1/core/amalgamate.py" "$1" "${row%%:*}" "${kind%:*}" "${row##*:}" x86_64,aarch64,riscv64 1 0 \
            "$dir/${row%%:*}/valet.c" "$dir/${row%%:*}/valet.h" "$dir/${row%%:*}/d" || return
    done
}

# objects COMPILER FORM SYSTEM FLAGS...: compiled in $out
objects() {
    with=$1 form=$2 system=$3 out=$dir/$2-$3
    shift 3
    rm -rf "$out"
    mkdir -p "$out"
    (
        cd "$out" || exit
        set -- by "$with" -std=c11 -w -O2 -fPIC -ffreestanding "-I$tree" "-I$tree/include" "$@"
        case $form-$system-$outcome-$* in
        tree-linux-none-*-fstack-protector*) # what is inlined is not protected: each file by itself
            set -- "$@" -c "$tree"/core/*_futex.c "$tree/core/cancel.c" "$tree/core/now.c" "$tree"/core/locks/*.c \
                "$tree/sys/linux.c"
            ;;
        tree-external-none-*-fstack-protector*) set -- "$@" -c "$tree"/core/*_sema.c "$tree/core/cancel.c" ;;
        tree-linux-*)
            together futex "$tree" "$@" && together locks "$tree" "$@" && set -- "$@" -c "$tree/sys/linux.c"
            ;;
        tree-external-*) together sema "$tree" "$@" && exit ;;
        one-*) set -- "$@" "-I$dir/$system" -c "$dir/$system/valet.c" ;;
        static-*) set -- "$@" "-I$dir/$system" -c "$root/test/compile/user.c" ;;
        esac || exit
        case $with-$form-$system in # the BSDs' way of a call there
        *-i386-tree-linux)
            for name in freebsd netbsd netbsd_park openbsd; do
                set -- "$@" "$tree/sys/$name.c"
            done
            ;;
        esac
        "$@"
    )
}

# comes OUTCOME COMPILER FORM SYSTEM FLAGS...
comes() {
    outcome=$1
    shift
    said=$(objects "$@" 2>&1)
    compiled=$?
    case $outcome in
    error:*)
        [ "$compiled" -ne 0 ] || { echo 'it compiles' && return 1; }
        case $said in *"${outcome#error: }"*) return ;; esac
        printf '%s\n' "$said"
        return 1
        ;;
    esac
    [ "$compiled" -eq 0 ] || { printf '%s\n' "$said" && return 1; }
    readelf -sW "$dir/$2-$3"/*.o | awk -v outcome="$outcome" '
        BEGIN { gsub(" ", "|", outcome); wanted = "^(valet_.*|_GLOBAL_OFFSET_TABLE_|" outcome ")$" }
        $7 == "UND" && NF == 8 && $8 !~ wanted { print "undefined: " $8; bad = 1 }
        END { exit bad || NR < 4 }'
}

# both OUTCOME COMPILER FORM FLAGS...: for the two systems; with $shared for one of them
shared=''
both() {
    outcome_is=$1 cc_is=$2 form_is=$3
    shift 3
    case $shared$cc_is-$form_is in
    yes-gcc*-one | yes-clang*-static) ;;
    *) comes "$outcome_is" "$cc_is" "$form_is" linux "$@" || return ;;
    esac
    case $shared$cc_is-$form_is in
    yes-gcc*-static | yes-clang*-one) ;;
    *) comes "$outcome_is" "$cc_is" "$form_is" external "$@" ;;
    esac
}

tree=$root
try 'the one file is written' one_file .
printf '%s\n' "$table" >"$dir/table"
while IFS='|' read -r compilers flags in_tree in_one in_static; do
    [ -n "$compilers" ] || continue
    flags=$(echo "$flags" | xargs)
    case $compilers in *gcc*clang*) shared='yes-' ;; *) shared='' ;; esac
    for cc in ${compilers#+}; do
        for form in "tree $in_tree" "one $in_one" "static $in_static"; do
            outcome=$(echo "${form#* }" | xargs)
            form=${form%% *}
            [ "$outcome" != - ] || continue
            case $compilers in +*) turn 2 || continue ;; *) turn 8 || continue ;; esac
            # shellcheck disable=SC2086 # a list of words
            try "$cc, $form: $flags: $outcome" both "$outcome" "$cc" "$form" $flags
        done
    done
done <"$dir/table"
shared=''

# The files of sys/ that are not in the table, all at once: with the flags nothing is undefined that is not without.
systems=$(cd sys && echo *.c | sed 's/\.c//g; s/\(posix\|wasm\|linux\) *//g')
undefined() { # COMPILER FLAGS...: of each file, by name
    with=$1
    shift
    mkdir -p "$dir/others"
    for system in $systems; do
        set -- "$@" "$tree/sys/$system.c"
    done
    (cd "$dir/others" && by "$with" -std=c11 -w -O2 -fPIC -ffreestanding "-I$tree" "-I$tree/include" -c "$@" &&
        llvm-nm -u -A ./*.o | grep -v _GLOBAL_OFFSET_TABLE_)
}
as_without() { # COMPILER FLAGS...
    [ -e "$dir/without-$1" ] || undefined "$1" -fno-stack-protector >"$dir/without-$1" || return
    undefined "$@" >"$dir/with" && diff "$dir/without-$1" "$dir/with"
}
for cc in gcc clang; do
    for flags in -O0 '-Os -fstack-protector-strong' -fstack-protector-strong -ftrivial-auto-var-init=pattern; do
        case $cc$flags in clang-O0 | gcc-Os*) ;; *) deep || continue ;; esac
        # shellcheck disable=SC2086 # a list of words
        try "$cc, every other file of sys/: $flags" as_without $cc $flags
    done
done

# What must be seen: in a copy, and called by its name
plant() { # WHAT SAID FILE SED CHECK...
    what=$1 wanted=$2 file=$3 edit=$4 form_of_it=${8-tree}
    shift 4
    tree=$dir/tree
    rm -rf "$tree"
    mkdir "$tree"
    cp -r core sys arch include "$tree/"
    sed -i "$edit" "$tree/$file"
    if cmp -s "$file" "$tree/$file"; then
        bad "planted: $what: nothing changed"
    elif ! { [ "$form_of_it" = tree ] || one_file "$tree"; } || answer=$("$@" 2>&1); then
        bad "planted: $what: not seen"
    else
        case $answer in
        *"$wanted"*) good "planted: $what: $wanted" ;;
        *) bad "planted: $what: something else is seen: $answer" ;;
        esac
    fi
}
plant 'an initialiser of 16 bytes of zeros' 'undefined: memset' sys/linux.c 's/timespec_of(0)/{0, 0}/' \
    both none clang tree -O0
plant 'an initialiser in another file' ' memset' sys/redox.c 's/struct TimeSpec t;/struct TimeSpec t = {0, 0};/' \
    as_without clang -O0
plant 'a variable that may be filled' 'undefined: memset' include/valet_sys.h \
    's/^#define VALET_UNFILLED __attr.*/#define VALET_UNFILLED/' both none clang one -ftrivial-auto-var-init=pattern
plant 'no function without protection' 'undefined: __stack_chk_fail' include/valet_sys.h \
    's/^#define VALET_UNPROTECTED __attr.*/#define VALET_UNPROTECTED/' both none gcc tree -fstack-protector-strong
plant 'one that is protected' '__stack_chk_fail' sys/windows.c 's/^VALET_UNPROTECTED //' \
    as_without clang -Os -fstack-protector-strong
for cc in gcc clang; do
    plant "a one file that is protected, $cc" 'undefined: __stack_chk_fail' core/amalgamate.py \
        's/^#ifndef VALET_STATIC .*/#if 0/; s/^#if defined __clang__ && !defined VALET_STATIC/#if 0/' \
        both none $cc one -fstack-protector-all
done
plant 'no word on what cannot be left out' 'it compiles' core/word.h 's/^#if !defined VALET_ONE_FILE.*/#if 0/' \
    both 'error: add -fno-stack-protector' clang tree -fstack-protector-all
plant 'a node that is packed' 'it compiles' core/locks/queue.h 's/^_Static_assert(_Alignof(struct valet_node).*//' \
    both 'error: structs are packed' gcc one -fpack-struct=8
plant 'a note that is packed' 'it compiles' core/futex_sema.c 's/^_Static_assert(_Alignof(struct note).*//' \
    comes 'error: structs are packed' clang tree external -fpack-struct=4
plant 'pointers of 32 bits' __NR_clock_gettime64 arch/arch.h 's/^#if defined __ILP32__.*/#if 0/' \
    both 'error: this is x32' clang one -mx32
counted flags
