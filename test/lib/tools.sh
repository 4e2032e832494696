# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# Sourced: which version of a tool is taken. Nothing else in the tests names one. A tool is called by its name
# without a version, and that is the distribution's choice: clang is 14 on Debian 12 and 19 on Debian 13.

# Versions of LLVM that are tried, after clang's own, for a program that has a name with a version only.
llvm_versions='14 15 16 17 18 19 20 21'

# The sources are formatted by clang-format of this version; others break lines of macros in other places.
format_version=14

# A newer clang that knows what the distribution's may not (RISC-V's Zacas), tried beside it.
newer_clang=clang-19

# tool NAME: print what NAME is called here
tool() {
    command -v "$1" && return
    for version in $(clang -dumpversion | cut -d . -f 1) $llvm_versions; do
        command -v "$1-$version" && return
    done
    echo "needs $1, by this name or with one of the versions $llvm_versions" >&2
    return 1
}

# newer_clang: print the name of the newer one where it is here, and is not clang itself
newer_clang() {
    newer=$(command -v "$newer_clang") && [ "$(readlink -f "$newer")" != "$(readlink -f "$(command -v clang)")" ] &&
        echo "$newer_clang"
}

# clang_format: print the name of the one that formats as the sources are
clang_format() {
    command -v "clang-format-$format_version" && return
    case $(clang-format --version) in
    *"version $format_version."*) echo clang-format ;;
    *) return 1 ;;
    esac
}
