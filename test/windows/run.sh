#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: run.sh PROGRAM.EXE [ARGUMENT...]. Run a Windows program under Wine, with a prefix of its own
# below build/ and under a time limit; Wine gives its exit status. "run.sh --begin" makes the prefix,
# "run.sh --end" stops what still serves it.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
WINEPREFIX=${VALET_WINEPREFIX:-$root/build/wine}
WINEDEBUG=-all
WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=d' # no .NET, no browser, nothing in the menus
export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES
unset DISPLAY
case $1 in
--begin)
    mkdir -p "$WINEPREFIX"
    timeout -k 5 300 wine wineboot --init </dev/null
    timeout -k 5 60 wineserver -k || true # none is left already
    # Programs come one after the other: the server need not start again for each.
    exec timeout -k 5 60 wineserver -p60 >/dev/null 2>&1 # it would keep a pipe open
    ;;
--end) exec timeout -k 5 60 wineserver -k ;;
esac
exec timeout -k 5 "${VALET_WINE_LIMIT:-110}" wine "$@" </dev/null
