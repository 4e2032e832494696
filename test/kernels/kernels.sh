#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The contract and the stress on Debian 12's own kernels, for x86_64 and aarch64, in QEMU with four CPUs:
# kernels/init.c is the only process beside them. Both kinds: linux and posix, with glibc, linked
# statically; each test in its short form. Then what must be seen: programs that fail, each in its own
# way, a CPU too few, a kernel that panics, a machine that does not end and one that never says a word.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
dir=build/kernels
kernels=build/debian-kernels # kept: they are fetched once
rm -rf "$dir"
mkdir -p "$dir"
sh test/lib/setup.sh debian-archive-keyring || exit 1

end() {
    tail -n 20 "$dir/log"
    bad "$1"
    counted kernels
}

timeout -k 10 900 sh test/kernels/fetch.sh "$kernels" >"$dir/log" 2>&1 || end "fetch Debian's kernels"

# compile CPU SYSTEM OUTPUT OPTION...: as a test is compiled, for 63 threads
compile() {
    cpu=$1 system=$2 output=$3 number=1
    shift 3
    [ "$system" = linux ] || number=0
    [ "$cpu" = x86_64 ] || set -- -mno-outline-atomics "$@"
    "$cpu-linux-gnu-gcc" -std=gnu11 -O2 -Wall -Wextra -Werror -static -pthread -I. -Iinclude -Itest/harness \
        -DVALET_TEST_THREADS=63 -DVALET_TEST_FUTEX_KIND=$number "-DVALET_TEST_OS_$system" -o "$output" "$@"
}

# library CPU SYSTEM: valet and the harness, of which a program gets what it needs
library() {
    kind=futex
    [ "$2" = linux ] || kind=sema
    objects=
    for source in core/park_$kind core/waiters_$kind core/futex_$kind core/now "sys/$2" test/harness/test \
        test/harness/hosted; do
        object=$dir/$1-$2-$(basename "$source").o
        compile "$1" "$2" "$object" -c "$source.c" || return
        objects="$objects $object"
    done
    # shellcheck disable=SC2086 # words
    "$1-linux-gnu-ar" rcs "$dir/$1-$2.a" $objects
}

# program CPU SYSTEM OUTPUT SOURCE [OPTION]: one test program
program() { compile "$@" -s "$dir/$1-$2.a"; }

# SYSTEM-PROGRAM; the filters of the sandbox are Linux's
names=
for name in deadline futex park waiters stress sandbox; do
    names="$names linux-$name"
    [ $name = sandbox ] || names="$names posix-$name"
done

# build CPU: /init and what it runs
build() {
    mkdir -p "$dir/$1"
    "$1-linux-gnu-gcc" -std=gnu11 -O2 -Wall -Wextra -Werror -static -s -o "$dir/$1/init" test/kernels/init.c || return
    for name in linux posix; do
        library "$1" "$name" || return
    done
    for name in $names; do
        program "$1" "${name%-*}" "$dir/$1/$name" "test/contract/${name#*-}_test.c" || return
    done
    python3 test/kernels/cpio.py "$dir/$1.cpio" "$dir/$1"/*
}

# boot CPU CPUS SECONDS ARCHIVE LOG [ARGUMENTS OF INIT...]: a machine that is to switch itself off. The kernel
# says nothing but its last words, and what it complains of where the host is slow is switched off. A boot of
# seconds that has said nothing at all for minutes hangs, as QEMU was seen to do: it is ended and tried once
# more, which the log says. The second time is a failure.
silence=120
boot() {
    start "$@"
    [ -n "$silent" ] || return
    mv "$5" "$5.first"
    start "$@"
    mv "$5" "$5.second"
    { echo 'tried once more' && cat "$5.second"; } >"$5"
    echo "$5: tried once more, after:" && sed 's/^/        /' "$5.first"
}

# start: one try of boot. `silent` if it was ended because it said nothing: then the log has the state of each
# of QEMU's threads, and its CPU time in ticks for itself and for the system.
start() {
    cpu=$1 cpus=$2 limit=$3 archive=$4 output=$5
    shift 5
    case $cpu in
    x86_64) board='-M q35' console=ttyS0 ;;
    aarch64) board='-M virt -cpu neoverse-n1' console=ttyAMA0 ;;
    esac
    # shellcheck disable=SC2086 # words
    timeout -k 10 "$limit" "qemu-system-$cpu" $board -smp "$cpus" -m 512 -accel tcg,thread=multi -nodefaults \
        -display none -serial stdio -no-reboot -kernel "$kernels/$cpu/vmlinuz" -initrd "$archive" \
        -append "console=$console loglevel=1 panic=-1 oops=panic nowatchdog rcupdate.rcu_cpu_stall_suppress=1 -- $*" \
        </dev/null >"$output.raw" 2>&1 &
    machine=$! silent='' halves=0
    # what QEMU says itself is not the machine's
    while kill -0 $machine 2>/dev/null && ! grep -sqv '^qemu-system' "$output.raw"; do
        if [ $halves -eq $((2 * silence)) ]; then
            children=$(cat /proc/$machine/task/$machine/children) # of `timeout`
            silent="QEMU: $(for child in $children; do cut -d ' ' -f 2,3,14,15 /proc/"$child"/task/*/stat; done)"
            kill $machine
            break
        fi
        halves=$((halves + 1))
        sleep 0.5
    done
    wait $machine
    status=$?
    tr -d '\r' <"$output.raw" >"$output"
    [ -z "$silent" ] || status=silent
    case $status in
    0) ;;
    silent) printf '%s\n' "$silent" "said nothing for $silence s" >>"$output" ;;
    124 | 137) echo "timed out after $limit s" >>"$output" ;;
    *) echo "qemu-system-$cpu ended with $status" >>"$output" ;;
    esac
}

# What a log must show:
# right_machine LOG CPU: the kernel that was fetched, on four CPUs
right_machine() { grep -qxF "kernel $(cat "$kernels/$2/release") $2, 4 CPUs" "$1" && grep -qx 'ok machine' "$1"; }

# tests PROGRAM: how many there are
tests() { grep -o 'TEST(test_' "test/contract/${1#*-}_test.c" | wc -l; }

# program_passed LOG PROGRAM TESTS: it ran so many tests, and ended with 0
program_passed() {
    [ "$(sed -n "\|^run /$2\$|,\|^ok /$2\$|p" "$1" | tail -n 2)" = "$3 tests passed
ok /$2" ]
}

# ended_well LOG RESULTS: nothing has failed, and the machine switched itself off
ended_well() {
    [ "$(sed -n '/^init: /{p;q;}' "$1")" = "init: $2 passed, 0 failed" ] &&
        grep -q 'reboot: Power down$' "$1" && ! grep -qE 'Kernel panic|^timed out|^qemu-system' "$1"
}

for cpu in x86_64 aarch64; do
    deep || case $cpu in
    x86_64) names='linux-deadline linux-futex linux-park linux-waiters linux-stress linux-sandbox posix-park' ;;
    aarch64) names='linux-futex linux-park linux-waiters' ;;
    esac
    build $cpu >"$dir/log" 2>&1 || end "$cpu: build"
    log=$dir/$cpu.log
    # shellcheck disable=SC2046,SC2086 # words
    boot "$cpu" 4 900 "$dir/$cpu.cpio" "$log" 4 300 $(printf ' /%s' $names)
    try "$cpu: $(sed -n 's/^kernel //p' "$log")" right_machine "$log" "$cpu"
    results=1
    for name in $names; do
        n=$(tests "$name")
        try "$cpu, $name: $n tests" program_passed "$log" "$name" "$n"
        results=$((results + 1))
    done
    before=$failed
    try "$cpu: nothing failed, and switched off" ended_well "$log" "$results"
    [ "$failed" -eq "$before" ] || tail -n 40 "$log" | sed 's/^/        /'
done

# Planted: x86_64, which is the faster one. One boot of all programs that fail, on three CPUs
log=$dir/planted.log
mkdir -p "$dir/planted"
cp "$dir/x86_64/init" "$dir/x86_64/linux-deadline" "$dir/planted/"
for bug in check trap late_write hang; do
    program x86_64 linux "$dir/planted/bad_$bug" test/harness/bad_test.c "-DBAD=bad_$bug" >"$dir/log" 2>&1 ||
        end "build bad_$bug"
done
python3 test/kernels/cpio.py "$dir/planted.cpio" "$dir"/planted/*
boot x86_64 3 300 "$dir/planted.cpio" "$log" 4 300 /bad_check /bad_trap /bad_late_write /missing 2 /bad_hang 300 \
    /linux-deadline

# planted WHAT LOG TEXT COMMAND...: the log has that line, and the command, one of the above, fails
planted() {
    if ! grep -qE "$3" "$2"; then
        bad "planted: $1: not seen: $3"
        tail -n 10 "$2" | sed 's/^/        /'
    else
        what=$1
        shift 3
        try_not "planted: $what" "$@"
    fi
}
planted 'a CPU too few' "$log" '^FAILED machine: CPUs: 3$' right_machine "$log" x86_64
planted 'a failed test' "$log" '^FAILED /bad_check: exit status 1$' program_passed "$log" bad_check 1
planted 'a program that traps' "$log" '^FAILED /bad_trap: signal 4$' program_passed "$log" bad_trap 1
planted 'a write to what was freed' "$log" '^FAILED /bad_late_write: signal 11$' program_passed "$log" bad_late_write 1
planted 'a program that is missing' "$log" '^FAILED /missing: exit status 127$' program_passed "$log" missing 1
planted 'a program that hangs' "$log" '^FAILED /bad_hang: still running after seconds: 2$' \
    program_passed "$log" bad_hang 1
n=$(tests linux-deadline)
try 'beside them, one that passes' program_passed "$log" linux-deadline "$n"
planted 'a test that did not run' "$log" "^$n tests passed\$" program_passed "$log" linux-deadline $((n + 1))
planted 'the sum of these' "$log" '^init: 1 passed, 6 failed$' ended_well "$log" 1

# A first program that ends is the end of the kernel.
log=$dir/panic.log
mkdir -p "$dir/panic"
cp "$dir/planted/bad_check" "$dir/panic/init"
python3 test/kernels/cpio.py "$dir/panic.cpio" "$dir/panic/init"
boot x86_64 4 300 "$dir/panic.cpio" "$log"
planted 'a kernel that panics' "$log" 'Kernel panic - not syncing: Attempted to kill init' ended_well "$log" 1

# No machine with this program in it ends by itself within that second.
log=$dir/late.log
boot x86_64 4 1 "$dir/planted.cpio" "$log" 4 300 /bad_hang
planted 'a machine that does not end' "$log" '^timed out after 1 s$' ended_well "$log" 2

# In QEMU's place: what says nothing when it is started first, then what the machine above has said; and what
# never says anything.
mkdir -p "$dir/stub"
path=$PATH silence=1
PATH=$PWD/$dir/stub:$PATH
cat >"$dir/stub/qemu-system-x86_64" <<END
#!/bin/sh
[ ! -e "$dir/stub/started" ] || exec cat "$dir/x86_64.log"
: >"$dir/stub/started"
exec sleep 60
END
chmod +x "$dir/stub/qemu-system-x86_64"
log=$dir/silent.log
boot x86_64 4 50 "$dir/x86_64.cpio" "$log"
try 'planted: a machine that hangs once' ended_well "$log" "$results"
try '... and the log says so' grep -qx 'tried once more' "$log"
printf '#!/bin/sh\nexec sleep 60\n' >"$dir/stub/qemu-system-x86_64"
boot x86_64 4 50 "$dir/x86_64.cpio" "$log"
planted 'a machine that hangs twice' "$log" '^said nothing for 1 s$' ended_well "$log" "$results"
PATH=$path
counted kernels
