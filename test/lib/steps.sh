# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# The steps of all.sh, those that fail fastest first. `mode` is all or quick.

suite 'linux, gcc' linux
suite 'posix, gcc' posix -Dos=posix
suite 'external scheduler, futex kind' external-futex -Dos=external
suite 'external scheduler, sema kind' external-sema -Dos=external -Dexternal_kind=sema
suite '... cooperative, futex kind' external-futex --setup cooperative
suite '... cooperative, sema kind' external-sema --setup cooperative
# shellcheck disable=SC2154 # set by all.sh
if [ "$mode" = quick ]; then
    group 'inputs of the fuzzers' 600 sh test/fuzz/fuzz.sh quick
    return 0
fi

group 'headers' 300 sh test/static/headers.sh
group 'static analysis' 600 sh test/static/static.sh build/linux build/posix
group 'figures' 900 sh test/bench.sh --check
group 'system calls' 300 sh test/syscalls/syscalls.sh build/linux
group 'gdb' 600 sh test/debug/debug.sh build/linux build/posix
group 'installation' 300 sh test/install/install.sh build/linux
group 'one file' 600 sh test/one_file/one_file.sh build/linux
suite 'linux, one file' linux-single -Dsingle_file=true
suite 'posix, one file' posix-single -Dos=posix -Dsingle_file=true
suite 'external scheduler, sema kind, one file' external-single -Dos=external -Dexternal_kind=sema -Dsingle_file=true

# One CPU each
machine_code() {
    group 'freestanding' 900 sh test/compile/freestanding.sh
    group 'C11 memory model, every execution' 900 sh test/c11/c11.sh
    group 'memory orders in the machine code' 600 sh test/codegen/codegen.sh
}
beside machine_code
group 'README' 600 sh test/doc/readme.sh
group 'clients: Rust, C++' 2400 sh test/clients/clients.sh
together
group 'man pages, design page' 900 sh test/doc/doc.sh

# Other compilers, levels and libraries
export CC=clang
suite 'linux, clang -Os' linux-clang -Doptimization=s
suite 'linux, clang -O3' linux-clang3 -Doptimization=3
suite 'posix, clang -O3' posix-clang -Dos=posix -Doptimization=3
suite 'linux, clang, thread sanitizer' linux-tsan -Db_sanitize=thread -Db_lundef=false
suite 'posix, clang, thread sanitizer' posix-tsan -Dos=posix -Db_sanitize=thread -Db_lundef=false
export ASAN_OPTIONS=detect_stack_use_after_return=1
suite 'linux, clang, address and UB sanitizers' linux-asan -Db_sanitize=address,undefined -Db_lundef=false
suite 'posix, clang, address and UB sanitizers' posix-asan -Dos=posix -Db_sanitize=address,undefined -Db_lundef=false
unset ASAN_OPTIONS
group 'memcheck, helgrind, and planted bugs' 1200 sh test/sanitizers/sanitizers.sh
export CC=musl-gcc
suite 'linux, musl' linux-musl -Dc_link_args=-static
suite 'posix, musl' posix-musl -Dos=posix -Dc_link_args=-static
unset CC
suite 'linux, gcc -Os, assertions' linux-assert -Doptimization=s -Dassertions=true
suite 'linux, gcc, that does not poll' linux-nospin -Dspin=disabled
suite 'linux, gcc -O3, our own call numbers' linux-gcc3 -Doptimization=3 -Dmusl_headers=none
suite 'posix, gcc, assertions' posix-assert -Dos=posix -Dassertions=true
suite 'posix without pthread_condattr_setclock' posix-noclock -Dos=posix -Dc_args=-DVALET_POSIX_SETCLOCK=0

# Other CPUs, under QEMU
for cpu in aarch64 riscv64; do
    suite "linux, $cpu" linux-$cpu --cross-file test/cross/$cpu-linux-gnu.txt
    suite "posix, $cpu" posix-$cpu --cross-file test/cross/$cpu-linux-gnu.txt -Dos=posix
    suite "external scheduler, futex kind, $cpu" external-futex-$cpu --cross-file test/cross/$cpu-linux-gnu.txt -Dos=external
    suite "external scheduler, sema kind, $cpu" external-sema-$cpu --cross-file test/cross/$cpu-linux-gnu.txt -Dos=external -Dexternal_kind=sema
    check "musl for $cpu, built" 900 sh test/cross/musl.sh $cpu build/musl-$cpu
    suite "linux, musl, $cpu" linux-musl-$cpu --cross-file build/musl-$cpu/cross.txt "-Dmusl_headers=$PWD/build/musl-$cpu/include"
    suite "posix, musl, $cpu" posix-musl-$cpu --cross-file build/musl-$cpu/cross.txt -Dos=posix
done
group 'call numbers' 60 sh test/numbers/numbers.sh x86_64=/usr/include/x86_64-linux-musl \
    aarch64=build/musl-aarch64/include riscv64=build/musl-riscv64/include

# Boards without a system, four CPUs each, in QEMU
for machine in x86_64 aarch64 riscv64 aarch64-clang; do
    suite "bare metal, $machine" bare-$machine --cross-file test/cross/$machine-bare.txt -Dos=bare
done

group 'demo' 900 sh test/demo/demo_test.sh
check 'demo, as the README says' 600 sh test/demo.sh

# Node, and a browser
group 'WebAssembly' 1200 sh test/wasm/wasm.sh

# Programs for Windows, without a C runtime
group 'Windows, under Wine' 3000 sh test/windows/windows.sh

# Does a test notice a fault in the library?
group 'mutants of the library' 1500 sh test/mutants/mutants.sh build/mutants

# Systems that cannot run here: compiled, and their machine code against models of their kernels
group 'compiled for every system' 900 sh test/compile/compile.sh
group 'answers of real kernels, BSDs' 120 sh test/model/answers.sh bsd
group 'answers of real kernels, others' 120 sh test/model/answers.sh other
group 'models of every kernel' 1500 sh test/model/model.sh
group 'systems in parallel, played by SIGILL' 1200 sh test/sigill/sigill.sh

# Any input, any answer of a kernel, any fault
group 'fuzzing' 1200 sh test/fuzz/fuzz.sh
group 'faults on the real kernel' 1200 sh test/faults/faults.sh
group 'Debian kernels' 2700 sh test/kernels/kernels.sh
group 'coverage of the library' 1800 sh test/coverage/coverage.sh

# The users: a kernel, a C library without a system, and another C library
group 'clients: a kernel, picolibc' 2400 sh test/clients/bare.sh
group 'clients: musl, rebuilt' 2400 sh test/clients/musl.sh
