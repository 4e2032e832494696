#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh [-t SECONDS] [-h TENTHS] [-x TEXT] [-n CPUS] MACHINE PROGRAM: run a bare-metal program in QEMU, on four
# CPUs by itself.
#
# Exit status 0: the machine ended itself with success and said so. Anything else, a machine that
# is still running after SECONDS included, is 1. With -h it has so many tenths of one from the line that
# names its first test, however long QEMU took to come there: for those that hang. Of a machine that hangs it is
# printed in which function each CPU is (where.py). -x turns this around, for programs with a planted bug: they
# must fail, and the output must contain TEXT, and the TEXT of a second -x. With -h it has its tenths again until its
# CPUs are where that says: a busy host may not have come there.
limit=280 hang='' expected='' cpus=4
while getopts t:h:x:n: option; do
    case $option in
    t) limit=$OPTARG ;;
    h) hang=$OPTARG ;;
    x) expected="$expected$OPTARG
" ;;
    n) cpus=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 2 ] || { echo "usage: $0 [-t SECONDS] [-h SECONDS] [-x TEXT] [-n CPUS] MACHINE PROGRAM" >&2; exit 2; }
machine=$1 program=$2

# What each board ends with: SYS_EXIT and the test finisher give the status itself, the debug-exit
# device twice the value plus one, where the program writes 16 for success.
success=0 cpu=$machine memory="-smp $cpus -m 64"
case $machine in
x86_64) package=qemu-system-x86 success=33
    board="-M q35 -device isa-debug-exit,iobase=0xf4,iosize=4" ;;
aarch64)
    package=qemu-system-arm
    board="-M virt -cpu cortex-a57 -semihosting-config enable=on,target=native" ;;
arm) package=qemu-system-arm
    board="-M virt -cpu cortex-a15 -semihosting-config enable=on,target=native" ;;
riscv32 | riscv64)
    package=qemu-system-misc
    board="-M virt -bios none" ;;
riscv32imc) package=qemu-system-misc cpu=riscv32
    board="-M virt -bios none -cpu rv32,g=off,a=off,f=off,d=off"
    # Later ones have by themselves what wants these.
    case $("qemu-system-$cpu" --version) in
    *' version '[4-7].*) ;;
    *) board=$board,zawrs=off,zfa=off ;;
    esac
    ;;
mps2-*) package=qemu-system-arm cpu=arm memory='' # as much as the board has
    board="-M $machine -semihosting-config enable=on,target=native" ;;
microbit) package=qemu-system-arm cpu=arm memory=''
    board="-M $machine -global nrf51-soc.sram-size=4194304 -semihosting-config enable=on,target=native" ;;
*) echo "$0: no machine $machine" >&2; exit 2 ;;
esac
command -v "qemu-system-$cpu" >/dev/null || { echo "needs the package $package" >&2; exit 1; }

dir=$(mktemp -d) || exit 1
output=$dir/output emulator='' watcher=''
trap '[ -z "$emulator" ] || kill "$emulator" $watcher 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 143' HUP INT TERM
: >"$output"
# thread=multi: CPUs that really run at the same time. board, memory: words on purpose.
# shellcheck disable=SC2086
"qemu-system-$cpu" $board $memory -accel tcg,thread=multi -nodefaults -display none -serial stdio -no-reboot \
    -monitor "unix:$dir/monitor,server,nowait" -kernel "$program" </dev/null >"$output" 2>&1 &
emulator=$!
where() {
    python3 "$(dirname "$0")/where.py" "$dir/monitor" "$program" >"$dir/where" 2>&1
}
is_there() {
    printf '%s' "$expected" | grep '^CPU' | while IFS= read -r text; do
        grep -q "$text" "$dir/where" || exit 1
    done
}
# Tenths of a second: of the machine, and since the line that names its first test.
age=0 since=0 late=''
if [ -z "$hang" ]; then
    timeout --foreground "$limit" tail -f -s 0.1 --pid=$emulator /dev/null & # until it has ended
    watcher=$!
    wait $watcher || late=yes age=${limit}0
else
    while [ -z "$late" ] && kill -0 $emulator 2>/dev/null; do
        sleep 0.1
        age=$((age + 1))
        { [ $since -eq 0 ] && ! grep -q '^[a-z]*_[a-z_]*$' "$output"; } || since=$((since + 1))
        if [ $age -ge "${limit}0" ] || [ $since -ge "$hang" ]; then
            where
            if [ $age -ge "${limit}0" ] || is_there; then late=yes; else since=1; fi
        fi
    done
fi
hangs=''
if [ -n "$late" ]; then
    hangs="timed out after $((age / 10)).$((age % 10)) s, in: $(tail -n 1 "$output")"
    [ -n "$hang" ] || where
    kill -KILL $emulator
fi
wait $emulator 2>/dev/null # it would say how that was ended
status=$?
emulator=
[ -z "$hangs" ] || cat "$dir/where" >>"$output"
cat "$output"
passed=1
if [ -n "$hangs" ]; then
    echo "$hangs" | tee -a "$output"
elif [ $status -ne $success ]; then
    echo "qemu-system-$cpu ended with $status, not $success" | tee -a "$output"
elif ! grep -q '^bare metal: passed' "$output"; then
    echo "ended without having passed" | tee -a "$output"
else
    passed=0
fi

[ -n "$expected" ] || exit $passed
if [ $passed -eq 0 ]; then
    echo "should have failed"
    exit 1
fi
printf '%s' "$expected" | while IFS= read -r text; do
    grep -q "$text" "$output" || { echo "failed, but not with: $text" && exit 1; }
done && echo "failed, as it should"
