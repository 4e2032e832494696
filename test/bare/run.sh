#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh [-t SECONDS] [-h SECONDS] [-x TEXT] [-n CPUS] MACHINE PROGRAM: run a bare-metal program in QEMU, on four
# CPUs by itself.
#
# Exit status 0: the machine ended itself with success and said so. Anything else, a machine that
# is still running after SECONDS included, is 1. With -h it has so many from the line that names its
# first test, however long QEMU took to come there: for those that hang. -x turns this around, for
# programs with a planted bug: they must fail, and the output must contain TEXT.
limit=100 hang='' expected='' cpus=4
while getopts t:h:x:n: option; do
    case $option in
    t) limit=$OPTARG ;;
    h) hang=$OPTARG ;;
    x) expected=$OPTARG ;;
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

output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT
# thread=multi: CPUs that really run at the same time. board, memory: words on purpose.
# shellcheck disable=SC2086
timeout "$limit" "qemu-system-$cpu" $board $memory -accel tcg,thread=multi -nodefaults \
    -display none -serial stdio -no-reboot -kernel "$program" </dev/null >"$output" 2>&1 &
emulator=$!
tenths=0 hangs=''
while [ -n "$hang" ] && kill -0 $emulator 2>/dev/null; do
    [ $tenths -lt "${hang}0" ] || { hangs=yes && kill $emulator && break; }
    sleep 0.1
    [ $tenths -eq 0 ] && ! grep -q '^[a-z]*_[a-z_]*$' "$output" || tenths=$((tenths + 1))
done
wait $emulator
status=$?
[ -z "$hangs" ] || { status=124 && limit=$hang; }
cat "$output"
passed=1
if [ $status -eq 124 ]; then
    last=$(grep -v '^qemu-system' "$output" | tail -n 1) # it tells of the signal
    echo "timed out after $limit s, in: $last" | tee -a "$output"
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
elif ! grep -q "$expected" "$output"; then
    echo "failed, but not with: $expected"
    exit 1
fi
echo "failed, as it should"
