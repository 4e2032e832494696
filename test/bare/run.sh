#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh [-t SECONDS] [-h TENTHS] [-x TEXT] [-n CPUS] MACHINE PROGRAM: run a bare-metal program in QEMU, on four
# CPUs by itself.
#
# Exit status 0: the machine ended itself with success and said so. Anything else, a machine that
# is still running after SECONDS included, is 1. With -h it has so many tenths of one from the line that
# names its first test, however long QEMU took to come there: for those that hang. Of a machine that hangs it is
# printed in which function each CPU is (where.py). -x turns this around, for programs with a planted bug: they
# must fail, and the output must contain TEXT, and the TEXT of a second -x.
limit=100 hang='' expected='' cpus=4
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
    board="-M virt -bios none -cpu rv32,g=off,a=off,f=off,d=off" ;;
mps2-*) package=qemu-system-arm cpu=arm memory='' # as much as the board has
    board="-M $machine -semihosting-config enable=on,target=native" ;;
microbit) package=qemu-system-arm cpu=arm memory=''
    board="-M $machine -global nrf51-soc.sram-size=4194304 -semihosting-config enable=on,target=native" ;;
*) echo "$0: no machine $machine" >&2; exit 2 ;;
esac
command -v "qemu-system-$cpu" >/dev/null || { echo "needs the package $package" >&2; exit 1; }

dir=$(mktemp -d) || exit 1
output=$dir/output emulator=
trap '[ -z "$emulator" ] || kill "$emulator" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 143' HUP INT TERM
: >"$output"
# thread=multi: CPUs that really run at the same time. board, memory: words on purpose.
# shellcheck disable=SC2086
"qemu-system-$cpu" $board $memory -accel tcg,thread=multi -nodefaults -display none -serial stdio -no-reboot \
    -monitor "unix:$dir/monitor,server,nowait" -kernel "$program" </dev/null >"$output" 2>&1 &
emulator=$!
# Tenths of a second: of the machine, and since the line that names its first test.
age=0 since=0 hangs=''
while kill -0 $emulator 2>/dev/null; do
    if [ $age -ge "${limit}0" ] || { [ -n "$hang" ] && [ $since -ge "$hang" ]; }; then
        hangs="timed out after $((age / 10)).$((age % 10)) s, in: $(tail -n 1 "$output")"
        python3 "$(dirname "$0")/where.py" "$dir/monitor" "$program" >>"$output" 2>&1
        kill -KILL $emulator
        break
    fi
    sleep 0.1
    age=$((age + 1))
    [ -z "$hang" ] || { [ $since -eq 0 ] && ! grep -q '^[a-z]*_[a-z_]*$' "$output"; } || since=$((since + 1))
done
wait $emulator 2>/dev/null # it would say how that was ended
status=$?
emulator=
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
