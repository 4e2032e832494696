#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Usage: musl.sh CPU DIR. Build musl from Debian's source package for a CPU for which Debian has no
# musl package that its cross compiler could use. Leaves DIR/include, DIR/lib, DIR/cc, a wrapper of that
# compiler, and DIR/cross.txt for Meson. Nothing of it enters the repository.
set -eu
cpu=$1
dir=$2
[ ! -f "$dir/cross.txt" ] || exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
src=$dir/source
rm -rf "$src"
(
    sh "$(dirname "$0")/musl_source.sh" "$src" && cd "$src" &&
        CC="$cpu-linux-gnu-gcc" CROSS_COMPILE="$cpu-linux-gnu-" ./configure --target="$cpu-linux-musl" \
            --prefix="$dir" --syslibdir="$dir/lib" --disable-shared --enable-wrapper=no &&
        make -s -j2 install
) >"$dir/log" 2>&1 || {
    tail -n 20 "$dir/log" >&2
    exit 1
}
rm -rf "$src"

# As musl's own wrapper does it: no header, library or start file but musl's.
cat >"$dir/cc.tmp" <<END
#!/bin/sh
case " \$* " in
*" -c "* | *" -E "* | *" -S "*) exec $cpu-linux-gnu-gcc -nostdinc -isystem "$dir/include" -isystem "\$($cpu-linux-gnu-gcc -print-file-name=include)" "\$@" ;;
*) exec $cpu-linux-gnu-gcc -nostdinc -isystem "$dir/include" -isystem "\$($cpu-linux-gnu-gcc -print-file-name=include)" -nostdlib -static "$dir/lib/crt1.o" "$dir/lib/crti.o" "\$@" -L"$dir/lib" -Wl,--start-group -lc -lgcc -lgcc_eh -Wl,--end-group "$dir/lib/crtn.o" ;;
esac
END
chmod +x "$dir/cc.tmp"
mv "$dir/cc.tmp" "$dir/cc"
cat >"$dir/cross.txt" <<END
[binaries]
c = '$dir/cc'
ar = '$cpu-linux-gnu-ar'
strip = '$cpu-linux-gnu-strip'
exe_wrapper = 'qemu-$cpu'

[host_machine]
system = 'linux'
cpu_family = '$cpu'
cpu = '$cpu'
endian = 'little'
END
