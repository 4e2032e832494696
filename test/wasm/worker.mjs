// SPDX-License-Identifier: MIT OR Apache-2.0
// A thread of a test program in a browser: a web worker of page.mjs.
import {runThread} from './agent.mjs';

// Each agent counts from its own origin; origin and count together are one clock for all of them.
export function now() {
    return BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1e6));
}

if (globalThis.WorkerGlobalScope !== undefined) {
    onmessage = ({data}) => runThread(data, {
        now,
        mayBlock: () => 1,
        write: (text) => postMessage({text}),
        exit: (status) => postMessage({status}),
        enter: ({host_lanes: lanes}) => postMessage({lanes: lanes()}),
    });
}
