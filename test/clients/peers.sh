#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: peers.sh [whole] [PEER...]. Other people's own tests, with what waits and wakes in their libraries turned over
# to valet: each seam is one file of test/clients/peers, in the place of one of theirs. The tests of the locks of nsync
# and of parking_lot run on valet's locks as well (test/clients/peers/locks). Every program has to end as it
# does with the library as it is, on the linux row and on posix. Then with faults planted in valet, which they have to
# notice. Their sources come from Debian, checked against its signature, to build/peers-source; none is kept here. A
# normal run takes some programs of nsync and the POSIX suite, a deep one more, and the other peers, and
# `whole` all. What chance may decide is left out of each, and printed.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/lib/count.sh
. test/lib/apt.sh
whole=
[ "${1-}" != whole ] || { whole=yes && shift; }
peers=${*:-nsync $(! deep || echo parking_lot liburcu libgomp) posixtestsuite}
top=$PWD
seams=$top/test/clients/peers
source=$top/build/peers-source
dir=$top/build/clients-peers
mkdir -p "$dir" "$source"
: >"$dir/jobs"
rm -f "$source"/*/updated

left_out() { echo "        $1: not run: $2"; } # PROGRAM REASON

# one_of NORMAL DEEP: one in so many of the lines that come in, by the strength; all in a whole run
one_of() {
    if [ -n "$whole" ]; then cat; else awk -v n="$(deep && echo "$2" || echo "$1")" 'n == 1 || NR % n == 1'; fi
}

# ---- valet, as shared objects of one name: a program takes the row that its library path has ------------

valet() { # ROW DIRECTORY [TREE]: where a tree has the headers of this one, only its other files are compiled
    case $1 in posix) other=futex ;; *) other=sema ;; esac
    from=$(cd "${3:-.}" && pwd) same=yes
    for part in arch core include sys; do
        [ $# -gt 2 ] && diff -qr -x '*.c' "$part" "$from/$part" >"$dir/log" || same=
    done
    rm -rf "$2/objects" && mkdir -p "$2/objects" || return
    (
        cd "$2/objects" || exit
        for file in $(cd "$from" && find core "sys/$1.c" -name '*.c' ! -name "*_$other.c"); do
            if [ -n "$same" ] && cmp -s "$from/$file" "$top/$file"; then
                cp "$dir/$1/objects/$(basename "$file" .c).o" .
            else
                gcc -std=c11 -O2 -fPIC -pthread "-I$from" "-I$from/include" -c "$from/$file"
            fi || exit
        done
        gcc -shared -pthread -Wl,-soname,libvalet.so -Wl,--no-undefined ./*.o -o ../libvalet.so
    )
}
for row in linux posix; do
    try "valet, $row, built" valet $row "$dir/$row"
done

# ---- sources -------------------------------------------------------------------------------------------

# get PEER KIND SUITE COMMAND...: in a directory where apt knows that suite, run the command, which leaves the source
# in ./new; once. Where it fails, what apt said is the reason to skip the peer.
get() {
    name=$1 kind=$2 suite=$3
    shift 3
    [ ! -d "$source/$name" ] || return 0
    mkdir -p "$source/$suite-$kind"
    (
        cd "$source/$suite-$kind" && rm -rf new && mkdir new && apt_lists "$kind" "$suite" &&
            { [ -e updated ] || { five_times "lists of $suite" timeout 300 apt-get update && : >updated; }; } &&
            "$@" && mv new "$source/$name"
    ) >"$dir/log" 2>&1 && return
    reason=$(grep -E '^(E:|no )' "$dir/log" | head -n 1)
    skip "$name" "its source: ${reason:-$(tail -n 1 "$dir/log")}"
    return 1
}

# original PACKAGE: its archive, without Debian's changes, which the mirror may lack
original() {
    timeout 300 apt-get source --tar-only --download-only "$1" && tar -C new --strip-components=1 -xf "$1"_*.orig.tar.*
}

# gcc_source PACKAGE: what libgomp is made of
gcc_source() {
    timeout 600 apt-get download "$1" && dpkg-deb --fsys-tarfile "$1"_*.deb |
        tar -xO --wildcards "./usr/src/gcc-*/gcc-*.tar.xz" |
        tar -C new --strip-components=1 -xJ --wildcards --no-wildcards-match-slash 'gcc-*/libgomp' 'gcc-*/config*' \
            'gcc-*/include' 'gcc-*/lt*' 'gcc-*/libtool*' 'gcc-*/install-sh' 'gcc-*/missing' \
            'gcc-*/depcomp' 'gcc-*/mkinstalldirs' && rm "$1"_*.deb
}

# ---- programs ------------------------------------------------------------------------------------------

# job PROGRAM ROW SECONDS DIRECTORY COMMAND [LIBRARY PATH]: SECONDS as "180", or "alone 180" for what measures itself
job() { echo "$peer|$1|$2|$dir/$2:${6-}|$3|$4|$5" >>"$dir/jobs"; }

# newer FILE OTHER...: it is there, and no other is newer
newer() {
    file=$1
    shift
    for other; do
        [ -n "$(find "$file" -newer "$other" 2>/dev/null)" ] || return 1
    done
}

# build FUNCTION: in a shell of its own; where it fails, the peer is over
build() {
    ("$1") >"$dir/log" 2>&1 && return
    bad "$1"
    tail -n 20 "$dir/log"
    return 1
}

# nsync, for which one file makes the platform's semaphore
nsync_build() {
    platform=$source/nsync/platform out=$dir/nsync
    cpu=$(uname -m)
    [ "$cpu" != riscv64 ] || cpu=riscv
    rm -rf "$out" && mkdir -p "$out/stock" "$out/own" "$out/valet" && cd "$out" || return
    set -- -O -D_POSIX_C_SOURCE=200809L "-I$platform/gcc" "-I$platform/linux" "-I$platform/$cpu" "-I$platform/posix" \
        "-I$source/nsync/public" "-I$source/nsync/internal" "-I$source/nsync/testing" "-I$top/include" -pthread
    gcc "$@" -c "$source"/nsync/internal/*.c "$source"/nsync/testing/*.c "$platform/posix/src/start_thread.c" \
        "$platform"/posix/src/per_thread_waiter.c "$platform"/posix/src/yield.c "$platform"/posix/src/time_rep.c \
        "$platform"/posix/src/nsync_panic.c || return
    gcc "$@" -c "$platform/linux/src/nsync_semaphore_futex.c" -o stock/semaphore.o || return
    gcc "$@" -c "$platform/posix/src/nsync_semaphore_mutex.c" -o own/semaphore.o || return
    gcc "$@" -Wall -Wextra -Werror -c "$seams/nsync/nsync_semaphore_valet.c" -o valet/semaphore.o || return
    rm sem_wait_no_note.o # another form of sem_wait.o
    mkdir tests && mv ./*_test.o tests
    for test in tests/*; do
        test=$(basename "$test" .o)
        gcc -pthread "tests/$test.o" ./*.o stock/semaphore.o -o "stock/$test" &&
            gcc -pthread "tests/$test.o" ./*.o own/semaphore.o -o "own/$test" &&
            gcc -pthread "tests/$test.o" ./*.o valet/semaphore.o "-L$dir/linux" -lvalet -o "valet/$test" || return
    done
    mkdir locks
    for test in mu cv once; do
        which=MUTEX
        [ "$test" != mu ] || which=READERS
        gcc "$@" -w -Wno-incompatible-pointer-types "-D$which" -include "$seams/locks/nsync_locks.h" \
            "$source/nsync/testing/${test}_test.c" ./*.o stock/semaphore.o "-L$dir/linux" -lvalet \
            -o "locks/${test}_test" || return
    done
}
nsync_locks() {
    peer=nsync-locks
    left_out "$peer, cv_test, test_cv_cancel" 'a note ends the wait, which valet has not'
    left_out "$peer, cv_test, test_cv_debug" "it prints what is in nsync's words"
    left_out "$peer, cv_test, test_cv_transfer" 'it waits as a reader, and a notify of one then wakes a writer as well'
    for test in once_test $(! deep || echo mu_test cv_test); do
        case $test in
        mu_test) only="-m test_mu_nthread,test_rlock${whole:+,test_try_mu_nthread}" ;;
        cv_test) only='-m producer_consumer,test_cv_deadline' ;;
        *) only='' ;;
        esac
        for row in stock linux posix; do
            from=locks
            [ "$row" != stock ] || from=stock
            job "$test" "$row" 180 / "'$dir/nsync/$from/$test' $only"
        done
    done
}
nsync() {
    get nsync deb-src trixie original nsync || return 0
    newer "$dir/nsync/locks/once_test" "$seams/nsync/nsync_semaphore_valet.c" "$seams/locks/nsync_locks.h" \
        include/valet*.h ||
        build nsync_build || return 0
    nsync_locks
    peer=nsync
    for test in "$dir"/nsync/valet/*_test; do
        test=$(basename "$test")
        flags='' seconds=180
        case $test in
        mu_starvation_test) left_out "nsync, $test" 'it counts turns by the clock, so the load decides' && continue ;;
        mu_test)
            deep || continue
            [ -n "$whole" ] || flags='-x test_mutex_nthread,test_rwmutex_nthread' # the locks of the libc
            ;;
        cv_test) deep || continue ;;
        cv_mu_timeout_stress_test) [ -n "$whole" ] || continue ;;
        pingpong_test)
            deep || continue
            flags='-B -sss -m pong_mu$,pong_mu_cv$' seconds='alone 180'
            ;;
        esac
        job "$test" stock "$seconds" / "'$dir/nsync/stock/$test' $flags"
        case $test in
        mu_wait_test | pingpong_test) job "$test" own "$seconds" / "'$dir/nsync/own/$test' $flags" ;;
        esac
        job "$test" linux "$seconds" / "'$dir/nsync/valet/$test' $flags"
        job "$test" posix "$seconds" / "'$dir/nsync/valet/$test' $flags"
    done
}

# parking_lot and parking_lot_core, the crates of Debian, by their names there; a build for each thread parker. Only a
# whole run has those of the former, which is locks upon the latter: they take a minute of CPU time.
parking_lot_begin() {
    rm -rf "$out" && mkdir -p "$out" && cd "$out" || return
    for crate in parking_lot parking_lot_core; do
        cp -r /usr/share/cargo/registry/"$crate"-[0-9]* "$crate" || return
    done
    # Only its feature serde, which is off, is tested by bincode, which Debian 12 has not.
    sed -i '/^\[dev-dependencies.bincode\]/,/^$/d' parking_lot/Cargo.toml
    printf '%s\n' '[workspace]' "members = [$members]" '[patch.crates-io]' \
        'parking_lot_core = { path = "parking_lot_core" }' >Cargo.toml
}
parking_lot_tests() { # SEAM: their programs, in a directory of that name
    PATH=/usr/bin:$PATH CARGO_HOME=$out/home CARGO_PROFILE_DEV_DEBUG=0 \
        CARGO_ENCODED_RUSTFLAGS="$(printf -- '-L\037native=%s' "$dir/linux")" \
        timeout -k 5 900 cargo test --workspace --lib --no-run --offline --target-dir "$dir/cargo" --config \
        'source.crates-io.replace-with="debian"' --config 'source.debian.directory="/usr/share/cargo/registry"' \
        >log 2>&1 || { cat log && return 1; }
    mkdir "$1" || return
    sed -n 's|.*(\(.*/deps/\(parking_lot[a-z_]*\)-.*\))$|\1 \2|p' log | while read -r program name; do
        cp "$program" "$1/$name" || return
    done
}
parking_lot_build() {
    parking_lot_begin || return
    for seam in stock parker futex; do
        [ "$seam" = stock ] || cp "$seams/parking_lot/$seam.rs" parking_lot_core/src/thread_parker/linux.rs
        parking_lot_tests "$seam" || return
    done
}

# ... and its locks are valet's, by lock_api's traits; of two files that have tests, these stay.
parking_lot_locks_build() {
    parking_lot_begin && parking_lot_tests stock || return
    for file in condvar once; do
        sed -n '/^#\[cfg(test)\]/,$p' "parking_lot/src/$file.rs" >tests
        [ -s tests ] && cat "$seams/locks/$file.rs" tests >"parking_lot/src/$file.rs" || return
    done
    cp "$seams"/locks/raw_*.rs "$seams/locks/valet.rs" parking_lot/src && echo 'mod valet;' >>parking_lot/src/lib.rs &&
        parking_lot_tests locks
}
parking_lot_locks() {
    out=$dir/parking_lot_locks members='"parking_lot"' peer=parking_lot-locks
    newer "$out/locks/parking_lot" "$seams"/locks/*.rs include/valet_locks.h ||
        build parking_lot_locks_build || return 0
    left_out "$peer, rwlock, test_rwlock_recursive" 'it reads again while a writer waits, which waits for itself'
    for row in stock linux posix; do
        from=$out/locks
        [ "$row" != stock ] || from=$out/stock
        job mutex "$row" 60 / "'$from/parking_lot' mutex::tests"
        job rwlock "$row" 60 / "'$from/parking_lot' rwlock::tests --skip test_rwlock_recursive"
        job condvar "$row" 60 / "'$from/parking_lot' condvar::tests"
        [ -z "$whole" ] || job condvar_queue "$row" 300 / "'$from/parking_lot' condvar::webkit_queue_test"
        job once "$row" 60 / "'$from/parking_lot' once::tests"
    done
}
parking_lot() {
    if ! ls /usr/share/cargo/registry/parking_lot_core-[0-9]* >/dev/null 2>&1; then
        skip parking_lot 'the package librust-parking-lot-dev is not installed'
        return
    fi
    parking_lot_locks
    out=$dir/parking_lot members='"parking_lot_core", "parking_lot"'
    [ -n "$whole" ] || out=$dir/parking_lot_core members='"parking_lot_core"'
    newer "$out/futex/parking_lot_core" "$seams/parking_lot/parker.rs" "$seams/parking_lot/futex.rs" ||
        build parking_lot_build || return 0
    core=
    [ -n "$whole" ] || core='--skip _fast' # most of the time
    for seam in parker futex; do
        peer=parking_lot-$seam
        for row in stock linux posix; do
            from=$out/$seam
            [ "$row" != stock ] || from=$out/stock
            job core "$row" 300 / "'$from/parking_lot_core' $core"
            job unpark_one_one "$row" 60 / "'$from/parking_lot_core' --exact parking_lot::tests::unpark_one_one"
            [ -z "$whole" ] || job parking_lot "$row" 300 / "'$from/parking_lot'"
        done
    done
}

# liburcu: the futex is in a header, which its programs include as well; so these are compiled by each
liburcu_build() {
    urcu=$source/liburcu out=$dir/liburcu
    rm -rf "$out" && mkdir -p "$out/include/urcu" && cp "$seams/liburcu/futex.h" "$out/include/urcu/" || return
    for which in stock valet; do
        mkdir -p "$out/$which/include/urcu" && cd "$out/$which" || return
        # What its configure finds on Linux
        printf '#define CONFIG_RCU_%s 1\n' SMP TLS HAVE_CLOCK_GETTIME HAVE_MULTIFLAVOR >include/urcu/config.h
        set -- -O1 -pthread -D_GNU_SOURCE -DHAVE_SYSCONF -DHAVE_SCHED_GETCPU -DHAVE_SCHED_SETAFFINITY -DHAVE_RAND_R \
            -DHAVE_GETTID -Iinclude
        [ "$which" = stock ] || set -- "$@" "-I$out/include" "-I$top/include"
        set -- "$@" "-I$urcu/include" "-I$urcu/src" "-I$urcu/tests/common" "-I$urcu/tests/utils"
        gcc "$@" -c "$urcu"/src/wf*queue.c "$urcu/src/wfstack.c" "$urcu/src/compat_arch.c" "$urcu/src/compat_futex.c" \
            "$urcu/src/urcu-pointer.c" "$urcu/tests/utils/tap.c" || return
        [ "$which" = stock ] || set -- "$@" "-L$dir/linux" -Wl,--no-as-needed -lvalet
        for flavour in membarrier mb signal; do
            gcc "$@" "-DRCU_$(echo "$flavour" | tr '[:lower:]' '[:upper:]')" "$urcu/tests/regression/urcutorture.c" \
                "$urcu/src/urcu.c" ./*.o -o "rcutorture_$flavour" || return
        done
        gcc "$@" -DRCU_BP "$urcu/tests/regression/urcutorture.c" "$urcu/src/urcu-bp.c" ./*.o -o rcutorture_bp &&
            gcc "$@" -DRCU_QSBR -DTORTURE_QSBR "$urcu/tests/regression/urcutorture.c" "$urcu/src/urcu-qsbr.c" ./*.o \
                -o rcutorture_qsbr &&
            gcc "$@" -DRCU_MEMBARRIER "$urcu/tests/regression/test_urcu_fork.c" "$urcu/src/urcu.c" ./*.o \
                -o test_urcu_fork || return
    done
}
liburcu() {
    get liburcu deb-src bookworm original liburcu || return 0
    newer "$dir/liburcu/valet/test_urcu_fork" "$seams/liburcu/futex.h" include/valet.h ||
        build liburcu_build || return 0
    {
        echo test_urcu_fork
        for how in perf ${whole:+stress}; do
            for flavour in membarrier qsbr mb bp signal; do
                for worker in global percpu perthread; do
                    echo "rcutorture_$flavour 1 $how 1 callrcu_$worker"
                done
            done
        done
    } | one_of 12 4 >"$dir/list"
    while read -r program arguments; do
        seconds=180
        [ -z "$arguments" ] || seconds='alone 180'
        name=$program${arguments:+-$(echo "$arguments" | sed 's/^1 //; s/ 1 callrcu_/-/')}
        for row in stock linux posix; do
            from=valet
            [ "$row" != stock ] || from=stock
            job "$name" "$row" "$seconds" / "'$dir/liburcu/$from/$program' $arguments"
        done
    done <"$dir/list"
}

# libgomp: stock is the same source. Eight threads on fewer CPUs, passive: each wait sleeps. In pr61200 a thread waits
# for one that sleeps for seconds, so a lost wake is certain to hang it. The order of the tests is theirs, and of those
# that want an offloading device, or look at the compiler's work, none runs.
libgomp_build() {
    out=$dir/libgomp config=$source/gcc/libgomp/config/linux
    rm -rf "$out" && mkdir -p "$out/stock" "$out/valet" "$out/tests" "$out/build" && cd "$out/build" || return
    for file in futex.h x86/futex.h; do
        [ -e "$config/$file.stock" ] || mv "$config/$file" "$config/$file.stock" || return
        cp "$config/$file.stock" "$config/$file" || return
    done
    "$source/gcc/libgomp/configure" --disable-multilib --disable-static CFLAGS=-O1 FC=no && make -s libgomp.la &&
        cp -L .libs/libgomp.so.1 ../stock || return
    for file in futex.h x86/futex.h; do
        cp "$seams/libgomp/futex.h" "$config/$file" || return
    done
    make -s libgomp.la "CPPFLAGS=-I$top/include" "LIBS=-L$dir/linux -lvalet -ldl" && cp -L .libs/libgomp.so.1 ../valet
}
libgomp() {
    case $top in *' '*) skip libgomp 'its configure takes no path with a space' && return ;; esac
    # Of this machine's compiler: its own library is the one that is built here.
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
    get gcc deb "$suite" gcc_source "gcc-$(gcc -dumpversion)-source" || return 0
    tests=$source/gcc/libgomp/testsuite out=$dir/libgomp
    newer "$out/valet/libgomp.so.1" "$seams/libgomp/futex.h" include/valet.h ||
        build libgomp_build || return 0
    {
        echo "$tests/libgomp.c/pr61200.c"
        grep -LE 'target|offload|scan-|dg-do (compile|link)|tree-par|-mavx|-msse|affinity|places' \
            "$tests"/libgomp.c/*.c "$tests"/libgomp.c-c++-common/*.c | grep -v /pr61200.c | LC_ALL=C sort |
            xargs grep -lE 'omp (parallel|task|critical|barrier|ordered|sections|single)|omp_set_lock'
    } | one_of 12 3 >"$dir/list"
    while read -r test; do
        name=$(basename "$test" .c)
        [ -e "$out/tests/$name" ] || gcc -O1 -fopenmp -w -I"$out/build" -I"$source/gcc/libgomp" "$test" -lm \
            -o "$out/tests/$name" >"$dir/log" 2>&1 || { bad "$name: $(head -n 1 "$dir/log")" && continue; }
        cancel=
        ! grep -q 'OMP_CANCELLATION "true"' "$test" || cancel='OMP_CANCELLATION=true'
        for row in stock linux posix; do
            from=valet
            [ "$row" != stock ] || from=stock
            job "$name" "$row" 120 / "env OMP_NUM_THREADS=8 OMP_WAIT_POLICY=passive $cancel '$out/tests/$name'" \
                "$out/$from"
        done
    done <"$dir/list"
}

# The open POSIX test suite, on musl: as it is, and with its futex calls turned over to valet (test/clients/musl.sh).
# Not those that set the clock, or want to run before everybody else: this machine has other work. musl.sh plants the
# faults, in the same library. Nor those that have a fixed name in the machine, which another run may have too.
posixtestsuite() {
    get posixtestsuite deb-src bookworm original posixtestsuite || return 0
    musl=$top/build/clients-musl
    if ! [ -e "$musl/valet/lib/libc.a" ] || ! [ -e "$musl/stock/lib/libc.a" ]; then
        skip posixtestsuite 'sh test/clients/musl.sh has not built the two musls'
        return
    fi
    suite=$source/posixtestsuite out=$dir/posixtestsuite
    mkdir -p "$out/stock" "$out/linux"
    grep -LE 'clock_settime|SCHED_(FIFO|RR)' "$suite"/conformance/interfaces/pthread_*/[0-9]*-*.c \
        "$suite"/conformance/interfaces/sem_*/[0-9]*-*.c | LC_ALL=C sort | one_of 20 4 >"$dir/list"
    while read -r test; do
        name=$(basename "$(dirname "$test")")-$(basename "$test" .c)
        if grep -qE '(sem|shm)_open' "$test" && ! grep -q '_%d".*getpid' "$test"; then
            left_out "posixtestsuite, $name" 'its object has the same name in each run'
            continue
        fi
        gcc -std=gnu99 -O1 -w -nostdinc -isystem "$musl/debian/include" -isystem "$(gcc -print-file-name=include)" \
            -I"$suite/include" -fno-stack-protector -fno-pie -c "$test" -o "$out/test.o" >"$dir/log" 2>&1 || continue
        for which in stock valet; do
            lib=$musl/$which/lib
            crt=$musl/debian/lib
            row=linux seconds=180
            [ "$which" = valet ] || row=stock seconds=20 # Some hang in musl as it is.
            gcc -nostdlib -static -no-pie "$crt/crt1.o" "$crt/crti.o" "$out/test.o" -Wl,--start-group "$lib/libc.a" \
                -lgcc -lgcc_eh -Wl,--end-group "$crt/crtn.o" -o "$out/$row/$name" >"$dir/log" 2>&1 ||
                { rm -f "$out/$row/$name" && continue; }
            job "$name" "$row" "$seconds" "$out" "'$out/$row/$name'"
        done
    done <"$dir/list"
}

for peer in $peers; do
    case $peer in
    nsync | parking_lot | liburcu | libgomp | posixtestsuite) $peer ;;
    *) bad "no such peer: $peer" ;;
    esac
done
short_seams() {
    find "$seams" -mindepth 2 -type f ! -path '*/locks/*' -exec wc -l {} + |
        awk '$2 != "total" && $1 > 40 {print; long = 1} END {exit long || NR < 6}'
}
try 'each seam, but those of locks, has at most 40 lines' short_seams

# ---- planted faults ------------------------------------------------------------------------------------

: >"$dir/planted"
python3 -S test/lib/plant.py --list test/clients/peers/bugs >"$dir/bugs"
while read -r name row _ programs; do
    for program in $programs; do
        # Its job, and behind that the path of the planted library
        awk -F '|' -v OFS='|' -v peer="${program%:*}" -v program="${program#*:}" -v row="$row" -v name="$name" \
            -v from="$dir/$row:" -v to="$dir/planted-$name:" '$1 == peer && $2 == program && $3 == row {
                $3 = name; $4 = to substr($4, length(from) + 1); print}' "$dir/jobs" >>"$dir/planted"
    done
    grep -q "|$name|" "$dir/planted" || continue
    tree=$dir/planted-$name/tree
    rm -rf "$tree"
    mkdir -p "$tree"
    cp -r arch core include sys "$tree"
    { python3 -S test/lib/plant.py --bug test/clients/peers/bugs "$name" "$tree" &&
        valet "$row" "$dir/planted-$name" "$tree"; } >"$dir/log" 2>&1 || bad "$name: $(cat "$dir/log")"
done <"$dir/bugs"
cat "$dir/planted" >>"$dir/jobs"

# ---- what came of them ---------------------------------------------------------------------------------

python3 test/clients/peers/run.py "$dir" >"$dir/table"
ended=$?
cat "$dir/table"
passed=$((passed + $(grep -c '^ok ' "$dir/table")))
failed=$((failed + $(grep -c '^FAILED ' "$dir/table")))
[ "$ended" -eq 0 ] || bad "run.py ended with $ended"
counted clients-peers
