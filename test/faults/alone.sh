#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: alone.sh PROGRAM TEST...: each test in a process of its own; after what it says, how it ended.
set -u
program=$1
shift
for name; do
    timeout 300 "$program" "$name"
    echo "status $? $name"
done
