#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# instructions.sh OBJDUMP PROGRAM [WAIT_PATTERN...] -- [WAKE_PATTERN...]: the linked program really
# has these instructions in its wait and in its wake. QEMU cannot show that: its WFE ends at once.
objdump=$1 program=$2
shift 2
function=valet_sys_futex_wait
status=0
for pattern in "$@"; do
    if [ "$pattern" = -- ]; then
        function=valet_sys_futex_wake
    elif "$objdump" -d "$program" |
        awk -v start="<$function>:" 'index($0, start) { on = 1 } /^$/ { on = 0 } on' |
        grep -Eq "$pattern"; then
        echo "$function has: $pattern"
    else
        echo "$function in $program has no: $pattern"
        status=1
    fi
done
exit $status
