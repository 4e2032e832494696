#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# board.sh [DIRECTORY [SOURCE [SECONDS]]]: build the demo for a board, and run it on QEMU's two Cortex-M33. QEMU's WFE
# ends at once, where a core would sleep: the shares of time are the program's, and nothing is said of a current.
set -eu
cd "$(dirname "$0")/../.."
out=${1:-build/demo-board}
rm -rf "$out"
mkdir -p "$out"
arm-none-eabi-gcc -mcpu=cortex-m33 -mthumb -mfloat-abi=soft -std=c11 -Os -Wall -Wextra -Werror -ffreestanding \
    -nostdlib -ffunction-sections -fno-stack-protector -DBARE_MACHINE=MPS2_TZ -DBARE_CPUS=2 -DVALET_HOOK=1 \
    -I. -Iinclude -Itest/bare \
    "${2:-test/demo/board.c}" test/bare/cortexm.S core/park_futex.c sys/bare.c \
    -Wl,--gc-sections -Wl,-T,test/bare/cortexm.ld -Wl,--defsym=CODE=0x10000000 -Wl,--defsym=RAM=0x38000000 \
    -Wl,-z,noexecstack -Wl,--build-id=none -lgcc -o "$out/board"
timeout "${3:-60}" qemu-system-arm -M mps2-an521 -accel tcg,thread=multi -nodefaults -display none -serial none \
    -semihosting-config enable=on,target=native -kernel "$out/board"
