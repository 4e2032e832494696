#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: answers.sh bsd|other. What real kernels answered, asked of their models (model/answers).
set -eu
cd "$(dirname "$0")"
build=../../build/answers
mkdir -p "$build"
case $1 in
bsd) models='freebsd openbsd netbsd dragonfly' ;;
other) models='darwin fuchsia redox cloudabi sgx' ;;
*) exit 2 ;;
esac
name=$1
set --
for model in $models; do
    set -- "$@" "kernel_$model.c"
done
gcc -std=gnu11 -O1 -Wall -Wextra -Werror -I. -Ianswers "answers/$name.c" "$@" -o "$build/$name"
exec "$build/$name"
