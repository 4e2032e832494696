#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# A C library as a client: Debian's musl, built from source, with its waits and wakes turned over to
# valet by test/clients/musl/edit.py. A conformance program of pthreads runs on it, on musl as it is and
# on glibc; then what still traps by itself, size, system calls and hand-off are shown beside musl's own.
# Nothing of musl is kept here.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=$PWD/build/clients-musl
glue=$PWD/test/clients/musl
mkdir -p "$dir"

end() {
    tail -n 20 "$dir/log"
    bad "$1"
    counted clients-musl
}

# ---- two musls -------------------------------------------------------------------------------------

# Debian's package and its source, in the same version: fetched and configured once, and kept.
if [ ! -f "$dir/source/config.mak" ]; then
    {
        timeout -k 10 900 sh test/cross/musl.sh x86_64 "$dir/debian" &&
            timeout -k 10 900 sh test/cross/musl_source.sh "$dir/source" &&
            (cd "$dir/source" && timeout -k 10 600 ./configure --disable-shared --enable-wrapper=no)
    } >"$dir/log" 2>&1 || end "fetch Debian's musl, and configure its source"
fi
version=$(cat "$dir/source/VERSION")
try "musl $version of Debian: package and source" grep -qa "$version" "$dir/debian/lib/libc.a"

# musl TREE: its library is the package's, but for the files that the edit touches, compiled here in both: as they
# were, and edited. Of them this CPU has those that its makefile says.
musl() {
    mkdir -p "$1/lib" && cp "$dir/debian/lib/libc.a" "$1/lib" && ar d "$1/lib/libc.a" __timedwait.lo && (
        cd "$1" && sed 's|\(.*\)\.c$|obj/\1.lo|' "$dir/changed" >wanted &&
            printf "include Makefile\nlist:\n\t@printf '%%s\\\\n' \$(LOBJS)\n" | make -s -f - list |
            grep -xFf wanted >objects &&
            xargs timeout -k 10 600 make -s -j2 <objects && xargs ar r lib/libc.a <objects
    )
}
rm -rf "$dir/stock" "$dir/valet"
cp -a "$dir/source" "$dir/stock"
cp -a "$dir/source" "$dir/valet"
{ python3 "$glue/edit.py" "$dir/valet" include/valet.h >"$dir/changed" && musl "$dir/stock"; } >"$dir/log" 2>&1 ||
    end 'build musl'
good 'musl as it is, built'

# The edited one links valet as any program does; its symbols get the prefix that a C library's must have.
# valet_object OUTPUT [FILE COPY]: in a build of one's own, with COPY in the place of that file
valet_object() {
    output=$1 changed=${2-} copy=${3-}
    set --
    for file in core/cancel.c core/futex_futex.c core/futex_with_futex.c core/futex_requeue_futex.c core/now.c \
        sys/linux.c; do
        object=$dir/valet-$(basename "$file" .c).o
        set -- "$@" "$object"
        [ "$file" != "$changed" ] || file=$copy
        gcc -std=c11 -Os -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections \
            -DVALET_WITH=1 -DVALET_WITH_REQUEUE=1 -DVALET_CANCEL=1 -I. -Iinclude -c "$file" -o "$object" || return 1
    done
    ld -r "$@" -o "$output" && objcopy --prefix-symbols=__ "$output"
}
{ valet_object "$dir/valet.o" && musl "$dir/valet" && ar q "$dir/valet/lib/libc.a" "$dir/valet.o"; } >"$dir/log" 2>&1 ||
    end 'build musl by valet'
good "musl by valet, built: $(wc -l <"$dir/valet/objects") objects of it compiled again"

# program LIBRARY OUTPUT NAME...: linked statically with no library, header or start file but musl's
program() {
    library=$1 output=$2
    shift 2
    for name; do
        shift
        [ -f "$dir/$name.o" ] || gcc -std=gnu11 -O1 -Wall -Wextra -Werror -nostdinc -isystem "$dir/debian/include" \
            -isystem "$(gcc -print-file-name=include)" -fno-stack-protector \
            -c "$glue/$name.c" -o "$dir/$name.o" || return 1
        set -- "$@" "$dir/$name.o"
    done
    crt=$dir/debian/lib
    gcc -nostdlib -static -no-pie "$crt/crt1.o" "$crt/crti.o" "$@" -Wl,--gc-sections -Wl,--start-group "$library" \
        -lgcc -lgcc_eh -Wl,--end-group "$crt/crtn.o" -o "$output"
}
for name in check locks waits cancel handoff; do rm -f "$dir/$name.o"; done
for which in stock valet; do
    try "the conformance program on musl, $which" program "$dir/$which/lib/libc.a" "$dir/conformance-$which" \
        check locks waits cancel
    try "the hand-off on musl, $which" program "$dir/$which/lib/libc.a" "$dir/handoff-$which" handoff
done
try 'the conformance program on glibc' gcc -std=gnu11 -O1 -Wall -Wextra -Werror -pthread -static \
    "$glue/check.c" "$glue/locks.c" "$glue/waits.c" "$glue/cancel.c" -o "$dir/conformance-glibc"

[ "$failed" -eq 0 ] || counted clients-musl # nothing to run

# ---- the conformance program -----------------------------------------------------------------------

# Each check is counted. Where one fails or hangs, those after it did not run: fewer than there are.
conform() {
    timeout -k 10 900 python3 test/lib/watch.py 120 "$dir/conformance-$1" >"$dir/said-$1" 2>&1
    status=$?
    while read -r ran name; do
        if [ "$ran" = ran ]; then good "$1: $name"; else echo "        $ran $name"; fi
    done <"$dir/said-$1"
    count=$(grep -c '^ran ' "$dir/said-$1")
    [ "$status-$count" = "0-$2" ] || bad "$1: ended with $status after $count of $2 checks"
}
here=$(grep -c '^    {"' "$glue"/locks.c "$glue"/waits.c "$glue"/cancel.c | awk -F: '{n += $2} END {print n}')
conform glibc $((here - $(sed -n '/^#ifndef __GLIBC__/,/^#endif/p' "$glue"/*.c | grep -c '^    {"')))
conform stock "$here"
conform valet "$here"

# ---- what goes through valet, and what does not ----------------------------------------------------

# traps LIBRARY: the objects that mention the number of futex (202), in any way
traps() {
    objdump -d "$1" | awk '/^[^ ]*\.l?o:/ {split($1, name, ":"); object = name[1]}
        /\$0xca,%[er][a-z0-9]*/ {if (object != last) print last = object}' | LC_ALL=C sort | xargs
}
stock=$(traps "$dir/stock/lib/libc.a")
valet=$(traps "$dir/valet/lib/libc.a")
pi='pthread_mutex_timedlock.lo pthread_mutex_trylock.lo pthread_mutex_unlock.lo pthread_mutexattr_setprotocol.lo'
want="$pi valet.o"
if [ "$valet" = "$want" ]; then
    good "objects with a futex call of their own: $(echo "$stock" | wc -w) in musl, $(echo "$valet" | wc -w) by valet:"
else
    bad "objects with a futex call: '$valet', not '$want'"
fi
echo "        valet.o; and for priority inheritance $pi"
case $stock in
*__wait.lo*pthread_barrier_wait.lo*pthread_cond_timedwait.lo*sem_post.lo*)
    good 'in musl the same look finds those that were turned over'
    ;;
*) bad "the look at musl found only: $stock" ;;
esac
# No call but these: PI locks are handed to the kernel as they are, as is the list of robust ones; nothing waits or
# wakes beside.
self_contained() {
    [ -z "$(nm -u "$1")" ] && size -A "$1" | awk '/^\.(data|bss|tbss|tdata|init_array)/ && $2 != 0 {exit 1}'
}
try 'valet brings no data and needs no symbol' self_contained "$dir/valet.o"

# The same while it runs, thread exits too. Not the crowds: they make a trace of many megabytes.
for which in stock valet; do
    timeout -k 10 600 strace -f -e trace=futex -e signal=none -o "$dir/trace-$which" "$dir/conformance-$which" \
        normal robust inheritance timed asleep broadcast EINTR SA_RESTART join 'cancel in' 'cond signal' \
        >"$dir/said-trace" 2>&1 || bad "$which under strace ended with $?: $(tail -n 1 "$dir/said-trace")"
done
# calls FILE OPERATION: how many. An interrupted call's end is another line
calls() {
    awk -v operation="$2" '
        match($0, /futex\(0x[0-9a-f]+, FUTEX_[A-Z_|]+/) {
            split(substr($0, RSTART + 6, RLENGTH - 6), part, ", ")
            if (part[2] == operation) n++
        }
        END {print n + 0}' "$dir/trace-$1"
}
is() {
    if test "$2" "$3" "$4"; then good "$1: $2"; else bad "$1: $2"; fi
}
is 'calls while it ran, valet: waits by valet, FUTEX_WAIT_BITSET_PRIVATE' "$(calls valet FUTEX_WAIT_BITSET_PRIVATE)" \
    -gt 100
is '... waits by musl, FUTEX_WAIT_PRIVATE' "$(calls valet FUTEX_WAIT_PRIVATE)" -eq 0
is '... FUTEX_WAIT, shared, by musl' "$(calls valet FUTEX_WAIT)" -eq 0
is '... FUTEX_WAIT_BITSET, shared, by valet' "$(calls valet FUTEX_WAIT_BITSET)" -gt 0
is '... FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME' \
    "$(calls valet 'FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME')" -gt 0
is '... FUTEX_REQUEUE_PRIVATE, by musl' "$(calls valet FUTEX_REQUEUE_PRIVATE)" -eq 0
is '... FUTEX_CMP_REQUEUE_PRIVATE that moves one, by valet' \
    "$(grep -c 'CMP_REQUEUE_PRIVATE, 0, 1, ' "$dir/trace-valet")" -gt 0
is '... FUTEX_LOCK_PI_PRIVATE by musl' "$(calls valet FUTEX_LOCK_PI_PRIVATE)" -gt 0
echo "        beside: FUTEX_WAKE_PRIVATE by valet $(calls valet FUTEX_WAKE_PRIVATE), FUTEX_WAKE" \
    "$(calls valet FUTEX_WAKE)"
is '... stock: waits by musl, FUTEX_WAIT_PRIVATE' "$(calls stock FUTEX_WAIT_PRIVATE)" -gt 100
is '... stock: FUTEX_REQUEUE_PRIVATE' "$(calls stock FUTEX_REQUEUE_PRIVATE)" -gt 0

# ---- size and hand-off -----------------------------------------------------------------------------

text() {
    size "$@" | awk 'NR > 1 {sum += $1} END {print sum}'
}
echo "text, bytes: stock, by valet"
echo "        libc.a, whole: $(text "$dir/stock/lib/libc.a"), $(text "$dir/valet/lib/libc.a")"
for what in conformance handoff; do
    echo "        static program $what: $(text "$dir/$what-stock"), $(text "$dir/$what-valet")"
done
echo "        of these: valet $(text "$dir/valet.o"); the timed waits" \
    "$(text "$dir/stock/obj/src/thread/__timedwait.lo"), $(text "$dir/valet/obj/src/thread/valet_timedwait.lo")"

rounds=5000
: >"$dir/times"
for _ in $(seq 5 | some 5); do
    for how in 'sem one' 'cond one' 'sem any' 'cond any'; do
        for which in stock valet; do
            # shellcheck disable=SC2086 # two words
            echo "$how $which $(timeout 60 "$dir/handoff-$which" $how $rounds)" >>"$dir/times"
        done
    done
done
echo "hand-off, ns a round trip, best of $(seq 5 | some 5 | wc -l) in turn:"
awk '{key = $1 " " $2; if (!((key, $3) in best) || $4 < best[key, $3]) best[key, $3] = $4; keys[key]}
    END {for (key in keys) printf "        %s CPU: stock %d, by valet %d, ratio %.2f\n", key, best[key, "stock"],
        best[key, "valet"], best[key, "valet"] / best[key, "stock"]}' "$dir/times" | sort
# Each post wakes once, and ends a wait before the word was seen or with that wake; a wake that comes
# late, after its token was taken, may end another. So of 2000 posts 2000 wakes and 4000 waits at most;
# beside them are the join, and the start and end of a thread.
for how in sem cond; do
    for which in stock valet; do
        timeout 300 strace -f -c -e trace=futex -o "$dir/count" "$dir/handoff-$which" $how one 1000 >/dev/null
        made=$(awk '$NF == "futex" {print $4}' "$dir/count")
        said="system calls of 1000 round trips by $how on one CPU, $which"
        case $how in
        sem)
            [ "${made:-0}" -gt 0 ] || bad 'strace was not understood'
            is "$said (at most 6020)" "${made:-0}" -le 6020
            ;;
        cond) echo "        $said: ${made:-0}" ;;
        esac
    done
done

# ---- planted bugs ----------------------------------------------------------------------------------

# plant NAME WORD FILE [OLD NEW]...: in a file of the tree, or of valet; the checks of that word must fail
# or hang. Built one after the other; the runs go on side by side.
planted=0
planted_object() {
    name=$3
    shift 3
    case $name in
    core/* | sys/*)
        cp "$name" "$out.c" && python3 -S test/lib/plant.py "$out.c" "$@" &&
            valet_object "$out.d/valet.o" "$name" "$out.c"
        ;;
    *)
        file=$dir/valet/src/$name
        object=obj/src/${name%.c}.lo
        cp "$file" "$out.kept"
        python3 -S test/lib/plant.py "$file" "$@" &&
            (cd "$dir/valet" && make -s "$object" && cp "$object" "$out.d/")
        made=$?
        cp "$out.kept" "$file"
        return $made
        ;;
    esac
}
plant() {
    turn 3 || return 0
    planted=$((planted + 1))
    number=$planted
    out=$dir/plant-$number
    printf '%s\n' "$1" >"$out.name"
    rm -f "$out.status"
    mkdir -p "$out.d"
    if ! { planted_object "$@" && cp "$dir/valet/lib/libc.a" "$out.a" && ar r "$out.a" "$out.d"/*o &&
        program "$out.a" "$out.program" check locks waits cancel; } >"$out.log" 2>&1; then
        bad "planted: $1: did not build"
        tail -n 5 "$out.log"
        return
    fi
    (
        timeout -k 10 600 python3 test/lib/watch.py 10 "$out.program" "$2" >"$out.said" 2>&1
        echo $? >"$out.status"
    ) &
}
plant 'a wake goes nowhere' normal core/futex_with_futex.c 'if (flags == 0 || count == 0)' \
    'if (count != 0) return 0; else'
plant 'a deadline is not passed on' timed thread/valet_timedwait.c 'int r = at ?' 'int r = at && 0 ?'
plant 'a deadline comes early' timed thread/valet_timedwait.c '* 1000000000u + (uint64_t)ns' '* 1000000u + (uint64_t)ns'
plant 'CLOCK_REALTIME taken for the clock of valet' REALTIME thread/valet_timedwait.c '*flags |= VALET_REALTIME;' ';'
plant 'a cancellation point waits as others do' 'in sem wait' thread/valet_timedwait.c \
    'if (self->canceldisable == PTHREAD_CANCEL_DISABLE)' 'if (1)'
plant 'the cancellation signal does not leave the wait' 'in sem wait' core/cancel.c \
    'return valet_sys_cancel_redirect(pc);' 'return pc == 0;'
plant 'a lock is left by a cancellation at any time' 'in mutex lock' thread/valet_timedwait.c \
    '__pthread_setcancelstate(PTHREAD_CANCEL_DISABLE' '__pthread_setcancelstate(PTHREAD_CANCEL_ENABLE'
plant 'a cancelled thread keeps the wake' 'before the thread' core/cancel.c \
    'if (r != VALET_TIMEDOUT && r != VALET_INTERRUPTED)' \
    'if (*cancel != 0) { return VALET_INTERRUPTED; } if (r != VALET_TIMEDOUT && r != VALET_INTERRUPTED)'
plant 'a handler is taken for a wake' EINTR thread/valet_timedwait.c 'VALET_INTERRUPTIBLE | (priv' '(priv'
plant 'shared words are taken for private ones' pshared thread/valet_timedwait.c \
    'VALET_INTERRUPTIBLE | (priv ? 0 : VALET_SHARED)' 'VALET_INTERRUPTIBLE'
plant 'nobody is moved to the mutex' broadcast sys/linux.c 'NULL, (long)requeue, to' 'NULL, 0, to'
wait
number=0
while [ "$number" -lt "$planted" ]; do
    number=$((number + 1))
    out=$dir/plant-$number
    [ -f "$out.status" ] || continue # did not build: said
    said=$(grep -hE '^(FAILED|hangs)' "$out.said" | head -n 1)
    if [ "$(cat "$out.status")" -ne 0 ] && [ -n "$said" ]; then
        good "planted: $(cat "$out.name"): $said"
    else
        bad "planted and not seen: $(cat "$out.name"): $(tail -n 1 "$out.said")"
    fi
    rm -rf "$out".*
done
counted clients-musl
