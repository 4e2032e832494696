#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# wasm-ld, without two arguments that Meson gives to every LLD and that this one does not know.
for argument; do
    shift
    case $argument in
    --start-group | --end-group) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
exec wasm-ld "$@"
