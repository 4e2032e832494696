// SPDX-License-Identifier: MIT OR Apache-2.0
// What is the same in Node and in a browser: one thread of a test program. host.c is the other side.
export const THREADS = 8; // as host.c

// 64 KiB each; as meson.build
export function newMemory() {
    return new WebAssembly.Memory({initial: 512, maximum: 512, shared: true});
}

// Run one thread: the program's first, or one that serves it. `now` and `mayBlock` are the two
// functions that valet asks for; the others are the runner's: write(text), exit(status), and
// enter(exports) before the thread starts.
export function runThread({module, memory, thread}, {now, mayBlock, write, exit, enter}) {
    const text = (at, size) =>
        new TextDecoder().decode(new Uint8Array(memory.buffer, at, size).slice());
    // A program that ends does not go on: this worker never looks at its messages again.
    const end = (status) => {
        exit(status);
        for (;;)
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    };
    try {
        const {exports} = new WebAssembly.Instance(module, {
            env: {memory},
            valet: {now, may_block: mayBlock},
            host: {write: (at, size) => write(text(at, size)), exit: end},
        });
        enter?.(exports);
        exports.__stack_pointer.value = exports.host_stack(thread);
        if (thread === 0)
            end(exports.host_run());
        exports.host_serve();
    } catch (error) {
        write(`thread ${thread}: TRAP: ${error.stack}\n`);
        end(1);
    }
}
