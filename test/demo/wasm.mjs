// SPDX-License-Identifier: MIT OR Apache-2.0
// Usage: node wasm.mjs MODULE ARGUMENT...: run the demo in Node. See wasm.c.
//
// Node's main thread only starts workers: one that is blocked could not. So the program's first
// thread is a worker, too.
import {openSync, readFileSync, readSync, writeSync} from 'node:fs';
import {getSystemErrorMap} from 'node:util';
import {isMainThread, parentPort, Worker, workerData} from 'node:worker_threads';

const PAGES = 65536; // 4 GiB at most: as wasm.sh links it

if (isMainThread) {
    const [, , file, ...rest] = process.argv;
    const module = await WebAssembly.compile(readFileSync(file));
    const memory = new WebAssembly.Memory({initial: 16, maximum: PAGES, shared: true});
    const start = (thread) => {
        const worker = new Worker(new URL(import.meta.url), {workerData: {module, memory, thread, rest}});
        worker.on('message', ({started, status}) => {
            if (started === undefined)
                process.exit(status);
            start(started);
        });
        worker.on('error', (error) => {
            console.error(error);
            process.exit(1);
        });
    };
    start(null);
} else {
    const {module, memory, thread, rest} = workerData;
    // Anew each time, since memory grows.
    const bytes = (at, size) => new Uint8Array(memory.buffer, at, size);
    const orFailure = (call) => {
        try {
            return call();
        } catch (error) {
            return error.errno;
        }
    };
    const {exports} = new WebAssembly.Instance(module, {
        env: {memory},
        valet: {
            now: process.hrtime.bigint, // of the system: the same in every worker
            may_block: () => 1,
        },
        demo: {
            exit: (status) => {
                parentPort.postMessage({status});
                for (;;) // the main thread ends the process
                    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
            },
            start: (started) => parentPort.postMessage({started}),
            open: (name, size) => orFailure(() => openSync(Buffer.from(bytes(name, size)), 'r')),
            read: (from, to, size) => orFailure(() => readSync(from, bytes(to, size))),
            write: (where, text, size) => orFailure(() => writeSync(where, bytes(text, size))),
            error: (failure, text, size) => {
                const [, message] = getSystemErrorMap().get(failure);
                return new TextEncoder().encodeInto(message, Buffer.from(memory.buffer, text, size)).written;
            },
        },
    });
    if (thread === null) {
        const text = Buffer.from(['wc', ...rest, ''].join('\0'));
        const at = memory.grow(Math.ceil(text.length / 65536)) * 65536;
        bytes(at, text.length).set(text);
        exports.demo_enter(1 + rest.length, at);
    } else {
        exports.__stack_pointer.value = thread;
        exports.demo_thread(thread);
    }
}
