#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The contract and the stress on Debian 12's own kernels, for x86_64 and aarch64, in QEMU with four CPUs:
# kernels/init.c is the only process beside them. Both kinds: linux and posix, with glibc, linked
# statically; each test in its short form. Then what must be seen: programs that fail, each in its own
# way, a CPU too few, a kernel that panics, a machine that does not end and one that never says a word. On
# aarch64, and on Debian 13's kernel for riscv64, also a user's vector loops around the library's calls
# (kernels/vector_test.c).
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/kernels/said.sh
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
    [ "$cpu" != aarch64 ] || set -- -mno-outline-atomics "$@"
    "$cpu-linux-gnu-gcc" -std=gnu11 -O2 -Wall -Wextra -Werror -static -pthread -I. -Iinclude -Itest/harness \
        -DVALET_TEST_THREADS=63 -DVALET_TEST_FUTEX_KIND=$number "-DVALET_TEST_OS_$system" -o "$output" "$@"
}

# library CPU SYSTEM: its sources, of which a program gets what it needs
library() {
    objects=
    for source in $(sources_of "$2"); do
        object=$dir/$1-$2-$(basename "$source").o
        compile "$1" "$2" "$object" -c "$source.c" || return
        objects="$objects $object"
    done
    # shellcheck disable=SC2086 # words
    "$1-linux-gnu-ar" rcs "$dir/$1-$2.a" $objects
}

# program CPU SYSTEM OUTPUT SOURCE [OPTION]: one test program
program() { compile "$@" -s "$dir/$1-$2.a"; }

# loops CPU COMPILER FORM OUTPUT SOURCES [OPTION]: the vector loops, with the library where the compiler sees both,
# in one file (static) or by link-time optimisation (lto), with valet.c or valet_sys.h from the directory SOURCES
loops() {
    cpu=$1 form=$3 output=$4 sources=$5
    flags='-std=gnu11 -Wall -Wextra -Werror -I. -Iinclude -Itest/harness -DVALET_TEST_THREADS=63
        -DVALET_TEST_FUTEX_KIND=1 -DVALET_TEST_OS_linux -DVALET_SPIN=1'
    # LLVM 14 makes vectors for RISC-V only when told; its linker takes neither CPU nor ABI from what it links.
    case $cpu in
    aarch64) vectors=-march=armv8.4-a+sve flags="$flags -mno-outline-atomics" emulation=aarch64linux linker= ;;
    riscv64)
        vectors='-march=rv64gcv -mllvm -scalable-vectorization=on -mllvm -riscv-v-vector-bits-min=128'
        emulation=elf64lriscv
        linker='-mllvm -scalable-vectorization=on -mllvm -riscv-v-vector-bits-min=128 -mllvm -target-abi=lp64d
            -mllvm -mattr=+m,+a,+f,+d,+c,+v'
        ;;
    esac
    case $2 in
    gcc) compiler=$cpu-linux-gnu-gcc ;;
    clang) compiler="clang --target=$cpu-linux-gnu -isystem /usr/$cpu-linux-gnu/include" ;;
    esac
    # shellcheck disable=SC2086 # words
    if [ "$form" = static ]; then
        $compiler $flags $vectors -O3 -DVALET_STATIC "-DVALET_C=\"$PWD/$sources/valet.c\"" ${6-} \
            -c -o "$output.o" test/kernels/vector_test.c &&
            "$cpu-linux-gnu-gcc" -static -pthread -s -o "$output" "$output.o" "$dir/$cpu-linux.a"
    else
        objects=
        for source in core/park_futex core/waiters_futex core/futex_futex core/now sys/linux; do
            $compiler "-I$sources" $flags -O2 -flto -c -o "$output-$(basename $source).o" $source.c || return
            objects="$objects $output-$(basename $source).o"
        done
        $compiler "-I$sources" $flags $vectors -O3 -flto ${6-} \
            -c -o "$output-user.o" test/kernels/vector_test.c || return
        [ "$2" = gcc ] || {
            ld.lld -m $emulation -r --lto-O3 $linker -o "$output.o" "$output-user.o" $objects && objects="$output.o"
        } || return
        [ "$2" = clang ] || objects="$output-user.o $objects"
        # No library beside the objects: gcc's plugin looks there for what assembly defines, and finds sys/linux twice.
        "$cpu-linux-gnu-gcc" -static -pthread -flto -O3 -s -o "$output" $objects "$dir/$cpu-linux-hosted.o" \
            "$dir/$cpu-linux-test.o"
    fi
}

# loops_of CPU: $in_loops, each vector-COMPILER-FORM, or loses-COMPILER, one with the trap in the loop
loops_of() {
    on=$1
    for name in $in_loops; do
        by=${name#*-}
        case $name in
        loses-*) loops "$on" "$by" static "$dir/$on/$name" "$dir/wrong" -DLOSES ;;
        *) loops "$on" "${by%-*}" "${by#*-}" "$dir/$on/$name" "$dir/right" ;;
        esac || return
    done
    rm -f "$dir/$on"/*.o
}

# What the loops include: right, and with the fault: traps are inlined, and do not say what they lose
sources() {
    mkdir -p "$dir/right" "$dir/wrong"
    python3 -B core/amalgamate.py . linux futex linux.c aarch64,riscv64 1 0 \
        "$dir/right/valet.c" "$dir/right/valet.h" "$dir/right/valet.d" &&
        cp include/valet_sys.h "$dir/right" && cp "$dir/right/valet.h" "$dir/wrong" || return
    for file in valet.c valet_sys.h; do
        sed -e 's/^#define VALET_SYS_CALL .*/#define VALET_SYS_CALL/' \
            -e 's/^#if defined __\(ARM_FEATURE_SVE\|riscv_vector .*\)$/#if 0/' \
            "$dir/right/$file" >"$dir/wrong/$file"
        ! cmp -s "$dir/right/$file" "$dir/wrong/$file" || return
    done
}

# SYSTEM-PROGRAM; the filters of the sandbox are Linux's. The tests may set this machine's clock.
contract=
for name in clock deadline futex park waiters stress sandbox; do
    contract="$contract linux-$name"
    [ $name = sandbox ] || contract="$contract posix-$name"
done

# build CPU: /init and what it runs
build() {
    mkdir -p "$dir/$1"
    "$1-linux-gnu-gcc" -std=gnu11 -O2 -Wall -Wextra -Werror -static -s -o "$dir/$1/init" test/kernels/init.c || return
    for name in linux posix; do
        library "$1" "$name" || return
    done
    for name in $contract; do
        program "$1" "${name%-*}" "$dir/$1/$name" "test/contract/${name#*-}_test.c" || return
    done
    # by condition variables: each second a look at the clock
    [ "$1" != x86_64 ] ||
        program x86_64 posix "$dir/$1/slices-clock" test/contract/clock_test.c sys/posix.c -DVALET_POSIX_SEM=0 || return
    [ "$1" != aarch64 ] || loops_of aarch64 || return
    python3 test/kernels/cpio.py "$dir/$1.cpio" "$dir/$1"/*
}

# build_riscv64: /init and the loops
build_riscv64() {
    mkdir -p "$dir/riscv64"
    riscv64-linux-gnu-gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -s -o "$dir/riscv64/init" test/kernels/init.c &&
        library riscv64 linux && loops_of riscv64 &&
        python3 test/kernels/cpio.py "$dir/riscv64.cpio" "$dir"/riscv64/*
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
    # The clock of QEMU's CPUs is one; a kernel that does not know asks a slow device instead, by a call.
    x86_64) board='-M q35' console='ttyS0 tsc=reliable' ;;
    aarch64) board='-M virt -cpu max,pauth-impdef=on' console=ttyAMA0 ;;
    riscv64) board='-M virt -cpu rv64,v=true,vext_spec=v1.0' console=ttyS0 ;;
    esac
    rm -f "$output.raw" # what the last machine said would be taken for this one's
    # shellcheck disable=SC2086 # words
    timeout -k 10 "$limit" "qemu-system-$cpu" $board -smp "$cpus" -m 512 -accel tcg,thread=multi -nodefaults \
        -display none -serial stdio -no-reboot -kernel "$kernels/$cpu/vmlinuz" -initrd "$archive" \
        -append "console=$console loglevel=1 panic=-1 oops=panic nowatchdog rcupdate.rcu_cpu_stall_suppress=1 \
VALET_TEST_CLOCK=1 -- $*" \
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
tests() {
    case $1 in
    vector-*) grep -c '^static void test_' test/kernels/vector_test.c ;;
    loses-*) grep '^static void test_' test/kernels/vector_test.c | grep -vc park_until ;;
    *) tests_of "${1#*-}" ;;
    esac
}

# loses LOG CPU COMPILER TESTS: in each test of loses-COMPILER elements are wrong. So it is with gcc 12 and clang 14;
# another compiler may keep less in a vector register, or an instruction may be illegal after the trap: that is said.
loses() {
    what="planted: $2, loses-$3: a trap in the loop"
    case $3 in
    gcc) compiler="gcc $("$2-linux-gnu-gcc" -dumpversion)" ;;
    clang) compiler="clang $(clang -dumpversion | sed 's/\..*//')" ;;
    esac
    case $compiler in
    'gcc 12' | 'clang 14') ;;
    *)
        said=$(sed -n "\|^FAILED /loses-$3: |{s///p;q;}" "$1")
        if [ -n "$said" ]; then
            results=$((results - 1)) unlike=$((unlike + 1))
            kept=$(sed -n "\|^run /loses-$3\$|,\|^FAILED |p" "$1" | grep -c 'elements right')
            skip "$what" "$compiler: $said, after $kept tests"
            return
        fi
        ;;
    esac
    try "$what: wrong elements, in $4 tests" program_passed "$1" "loses-$3" "$4"
}

sources >"$dir/log" 2>&1 || end 'the sources of the loops'
for cpu in x86_64 aarch64 riscv64; do
    case $cpu in
    x86_64)
        deep || contract='linux-clock linux-deadline linux-futex linux-park linux-waiters linux-sandbox posix-clock
            posix-park'
        names="$contract slices-clock"
        ;;
    aarch64)
        deep || contract='linux-park linux-waiters'
        in_loops='vector-gcc-static vector-clang-lto loses-gcc'
        ! deep || in_loops="$in_loops vector-gcc-lto vector-clang-static loses-clang"
        names="$contract $in_loops"
        ;;
    riscv64)
        in_loops='vector-clang-static loses-clang'
        ! deep || in_loops="$in_loops vector-clang-lto"
        names=$in_loops
        ;;
    esac
    { if [ $cpu = riscv64 ]; then build_riscv64; else build $cpu; fi; } >"$dir/log" 2>&1 || end "$cpu: build"
    log=$dir/$cpu.log
    # shellcheck disable=SC2046,SC2086 # words
    boot "$cpu" 4 900 "$dir/$cpu.cpio" "$log" 4 300 $(printf ' /%s' $names)
    try "$cpu: $(sed -n 's/^kernel //p' "$log")" right_machine "$log" "$cpu"
    results=1 unlike=0
    for name in $names; do
        n=$(tests "$name")
        results=$((results + 1))
        case $name in
        loses-*) loses "$log" "$cpu" "${name#loses-}" "$n" ;;
        *) try "$cpu, $name: $n tests" program_passed "$log" "$name" "$n" ;;
        esac
    done
    before=$failed
    try "$cpu: nothing failed, and switched off" ended_well "$log" "$results" "$unlike"
    [ "$failed" -eq "$before" ] || tail -n 40 "$log" | sed 's/^/        /'
    [ "$cpu" != x86_64 ] || of_x86_64=$results
done

# Planted: x86_64, which is the faster one. One boot of all programs that fail, on three CPUs
log=$dir/planted.log
mkdir -p "$dir/planted"
cp "$dir/x86_64/init" "$dir/x86_64/linux-deadline" "$dir/planted/"
for bug in check trap late_write hang; do
    program x86_64 linux "$dir/planted/bad_$bug" test/harness/bad_test.c "-DBAD=bad_$bug" >"$dir/log" 2>&1 ||
        end "build bad_$bug"
done
mkdir -p "$dir/sys"
cp sys/linux.c "$dir/sys/"
python3 -S test/lib/plant.py "$dir/sys/linux.c" 't = timespec_of(deadline);' \
    'uint64_t wall = valet_sys_now_realtime();
        t = timespec_of(!flags ? deadline : deadline < wall ? 1 : deadline - wall + valet_sys_now());' \
    'operation |= FUTEX_CLOCK_REALTIME;' 'operation |= 0;' >"$dir/log" 2>&1 || end 'a wall clock that is asked once'
program x86_64 linux "$dir/planted/bad_clock" test/contract/clock_test.c "$dir/sys/linux.c" >"$dir/log" 2>&1 ||
    end 'build bad_clock'
program x86_64 posix "$dir/planted/bad_slices" test/contract/clock_test.c sys/posix.c core/park_with_sema.c \
    core/waiters_with_sema.c core/futex_with_sema.c -DVALET_POSIX_SEM=0 -DVALET_SLICE_NS=INT64_MAX \
    >"$dir/log" 2>&1 || end 'build bad_slices'
python3 test/kernels/cpio.py "$dir/planted.cpio" "$dir"/planted/*
boot x86_64 3 300 "$dir/planted.cpio" "$log" 4 300 /bad_check /bad_trap /bad_late_write /missing 2 /bad_hang 10 \
    /bad_slices 300 /bad_clock /linux-deadline

planted 'a CPU too few' "$log" '^FAILED machine: CPUs: 3$' right_machine "$log" x86_64
planted 'a failed test' "$log" '^FAILED /bad_check: exit status 1$' program_passed "$log" bad_check 1
planted 'a program that traps' "$log" '^FAILED /bad_trap: signal 4$' program_passed "$log" bad_trap 1
planted 'a write to what was freed' "$log" '^FAILED /bad_late_write: signal 11$' program_passed "$log" bad_late_write 1
planted 'a program that is missing' "$log" '^FAILED /missing: exit status 127$' program_passed "$log" missing 1
planted 'a program that hangs' "$log" '^FAILED /bad_hang: still running after seconds: 2$' \
    program_passed "$log" bad_hang 1
planted 'a wall clock that is asked once' "$log" '^FAILED /bad_clock: exit status 1$' program_passed "$log" bad_clock 1
planted 'a slice without end' "$log" '^FAILED /bad_slices: still running after seconds: 10$' \
    program_passed "$log" bad_slices 1
n=$(tests linux-deadline)
try 'beside them, one that passes' program_passed "$log" linux-deadline "$n"
planted 'a test that did not run' "$log" "^$n tests passed\$" program_passed "$log" linux-deadline $((n + 1))
planted 'the sum of these' "$log" '^init: 1 passed, 8 failed$' ended_well "$log" 1

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
path=$PATH silence=4 # a loaded machine is slow to start a program, too
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
try 'planted: a machine that hangs once' ended_well "$log" "$of_x86_64"
try '... and the log says so' grep -qx 'tried once more' "$log"
printf '#!/bin/sh\nexec sleep 60\n' >"$dir/stub/qemu-system-x86_64"
silence=1
boot x86_64 4 50 "$dir/x86_64.cpio" "$log"
planted 'a machine that hangs twice' "$log" '^said nothing for 1 s$' ended_well "$log" "$of_x86_64"
PATH=$path
counted kernels
