// SPDX-License-Identifier: MIT OR Apache-2.0
// Usage: node node.mjs PROGRAM. Run a test program; its exit status is the program's.
//
// Node's main thread only watches: every thread of the program is a worker, since a worker that
// blocks cannot start another.
import {readFileSync, writeSync} from 'node:fs';
import {isMainThread, parentPort, Worker, workerData} from 'node:worker_threads';
import {newMemory, runThread, THREADS} from './agent.mjs';

if (isMainThread) {
    const module = await WebAssembly.compile(readFileSync(process.argv[2]));
    const memory = newMemory();
    for (let thread = 0; thread < THREADS; thread++) {
        const worker = new Worker(new URL(import.meta.url), {workerData: {module, memory, thread}});
        worker.on('message', (status) => process.exit(status));
        worker.on('error', (error) => {
            console.log(`thread ${thread}: ERROR: ${error.stack}`);
            process.exit(1);
        });
    }
} else {
    runThread(workerData, {
        now: process.hrtime.bigint, // of the system: the same in every worker
        mayBlock: () => 1,
        write: (text) => writeSync(1, text),
        exit: (status) => parentPort.postMessage(status),
    });
}
