// SPDX-License-Identifier: MIT OR Apache-2.0
// Usage: node contract.mjs MODULE [CHECK]. The promises of sys/wasm.c and of the core on it, one by
// one, under clocks that only a test has. MODULE is the library, linked with its calls exported, in
// one of three builds; the one it is decides which checks are run:
//
//   shared    with atomics, and a memory that threads share
//   unshared  with atomics, on a memory of its own, where a wait traps
//   single    without atomics
//
// One thread is enough: Atomics.waitAsync puts sleepers in the queue that nobody has to be.
import {readFileSync} from 'node:fs';
import {basename} from 'node:path';
import assert from 'node:assert/strict';

const OK = 0, TIMEDOUT = 1, CHANGED = 2, UNSUPPORTED = -3;
const FOREVER = -1n, ALL = -1;
const MS = 1_000_000n;
const DAY = 86_400_000n * MS;

const build = basename(process.argv[2], '.wasm');
const module = await WebAssembly.compile(readFileSync(process.argv[2]));
const memory = new WebAssembly.Memory({initial: 2, maximum: 2, shared: build === 'shared'});
const words = new Int32Array(memory.buffer);

// What the two imports answer; each check sets it up.
let clock, allowed, looks;
const hrtime = process.hrtime.bigint;
const {exports: valet} = new WebAssembly.Instance(module, {
    env: {memory},
    valet: {now: () => (looks++, clock()), may_block: () => allowed},
});
const wait = (at, expected, deadline) => valet.valet_sys_futex_wait(at, expected, deadline);

// The words of the checks, far above the module's own data. The neighbour is not 0, since a wait on
// 64 bits would see it.
const A = 0x10000, NEIGHBOUR = A + 4, B = A + 64;
const set = (at, value) => Atomics.store(words, at / 4, value);
const get = (at) => Atomics.load(words, at / 4);

// What an agent that may not block can have: every answer but the wait.
function withoutBlocking() {
    allowed = 0;
    assert.equal(wait(A, 0, FOREVER), UNSUPPORTED);
    assert.equal(wait(A, 0, clock() + DAY), UNSUPPORTED);
    assert.equal(wait(A, 0, 0n), TIMEDOUT);
    assert.equal(wait(A, 0, clock()), TIMEDOUT);
    set(A, 5); // no wait is needed to see that it differs
    assert.equal(wait(A, 0, FOREVER), CHANGED);
    assert.equal(wait(A, 0, clock() + DAY), CHANGED);
    for (let i = 0; i < 2; i++) { // twice: the first call has withdrawn, so the second is not BUSY
        assert.equal(valet.valet_park(B), UNSUPPORTED);
        assert.equal(valet.valet_park_until(B, clock() + DAY), UNSUPPORTED);
        assert.equal(valet.valet_park_for(B, DAY), UNSUPPORTED);
        assert.equal(valet.valet_park_for(B, 0n), TIMEDOUT);
        assert.equal(get(B), 0);
        valet.valet_unpark(B);
        assert.equal(valet.valet_park(B), OK); // a token needs no wait
    }
    assert.equal(valet.valet_compare_and_wait(B, 0), UNSUPPORTED);
    assert.equal(valet.valet_compare_and_wait(B, 1), OK);
    valet.valet_store_and_wake(B, 1); // somebody is on record
    assert.equal(valet.valet_compare_and_wait(B, 0), OK);
    assert.equal(valet.valet_futex_wait(B, get(B), FOREVER), UNSUPPORTED);
    assert.equal(valet.valet_futex_wait(B, get(B) + 1, FOREVER), CHANGED);
    valet.valet_futex_wake(B, ALL);
    return 'parker waiters futex';
}

const imports = () => WebAssembly.Module.imports(module).map((i) => `${i.module}.${i.name}`).sort();

const checks = {
    shared: {
        'imports': () => assert.deepEqual(imports(), ['env.memory', 'valet.may_block', 'valet.now']),
        'a word that differs': () => {
            set(A, 5);
            assert.equal(wait(A, 6, FOREVER), CHANGED);
            assert.equal(wait(A, 6, clock() + DAY), CHANGED);
            assert.equal(wait(NEIGHBOUR, 6, FOREVER), CHANGED);
        },
        'a deadline that has passed': () => {
            const now = 10n * DAY;
            clock = () => now; // stands still
            for (const deadline of [0n, 1n, now - 1n, now])
                assert.equal(wait(A, 0, deadline), TIMEDOUT);
        },
        'a deadline': () => {
            for (const at of [A, NEIGHBOUR, A, NEIGHBOUR]) {
                const start = clock(), deadline = start + 30n * MS;
                set(A, 7), set(NEIGHBOUR, 8);
                looks = 0;
                assert.equal(wait(at, at === A ? 7 : 8, deadline), TIMEDOUT);
                assert.ok(looks <= 20, `${looks} looks at the clock`); // it slept meanwhile
                assert.ok(clock() >= deadline, 'early');
            }
        },
        'no timeout is early': () => {
            for (const wait of ['park_until', 'compare_and_wait_until', 'futex_wait'])
                for (let i = 0n; i < 50n; i++) {
                    const deadline = clock() + i * i * i * 20n; // to 2.4 ms
                    assert.equal(valet[`valet_${wait}`](...wait === 'park_until' ? [B, deadline] : [B, 0, deadline]),
                        TIMEDOUT);
                    assert.ok(clock() >= deadline, 'early');
                    set(B, 0);
                }
            return 'parker waiters futex';
        },
        'a clock slower than the engine': () => {
            const start = hrtime();
            clock = () => 10n * DAY + (hrtime() - start) / 3n;
            const deadline = clock() + 3n * MS;
            assert.equal(wait(A, 0, deadline), TIMEDOUT);
            assert.ok(clock() >= deadline, 'early');
        },
        'no clock': () => {
            clock = () => 0n;
            assert.equal(wait(A, 0, 1n), UNSUPPORTED);
            assert.equal(wait(A, 0, FOREVER - 1n), UNSUPPORTED);
            assert.equal(wait(A, 0, 0n), TIMEDOUT);
            assert.equal(valet.valet_park_for(B, 1n), UNSUPPORTED);
        },
        'a count wakes so many': () => {
            for (const [count, woken] of [[1, 1], [2, 2], [5, 5], [7, 5], [ALL, 5]]) {
                for (let i = 0; i < 5; i++)
                    assert.ok(Atomics.waitAsync(words, A / 4, 0).async);
                valet.valet_sys_futex_wake(NEIGHBOUR, ALL);
                valet.valet_sys_futex_wake(A, count);
                assert.equal(Atomics.notify(words, A / 4), 5 - woken);
            }
        },
        'a stranger queued before the parked thread': () => {
            // What the memory is begun anew as: with a thread that sleeps; and what wakes it.
            for (const [asleep, wake] of [
                [-1, () => valet.valet_unpark(B)],
                [32, () => valet.valet_store_and_wake(B, 1)],
                [0, () => (set(B, 1), valet.valet_futex_wake(B, ALL))],
            ]) {
                set(B, 77);
                assert.ok(Atomics.waitAsync(words, B / 4, 77).async);
                set(B, asleep);
                assert.ok(Atomics.waitAsync(words, B / 4, asleep).async);
                wake();
                assert.equal(Atomics.notify(words, B / 4), 0);
            }
            return 'parker waiters futex';
        },
        'where no thread may block': withoutBlocking,
    },
    unshared: {
        'where no thread may block': withoutBlocking,
        'without the option it is a trap': () => {
            assert.throws(() => wait(A, 0, FOREVER), WebAssembly.RuntimeError);
        },
    },
    single: {
        'imports': () => assert.deepEqual(imports(), ['env.memory', 'valet.now']),
        'without atomics': withoutBlocking,
    },
};

let failed = 0;
for (const [name, check] of Object.entries(checks[build])) {
    if (process.argv[3] !== undefined && process.argv[3] !== name)
        continue;
    const start = hrtime();
    clock = () => 10n * DAY + hrtime() - start;
    allowed = 1;
    words.fill(0, A / 4);
    try {
        const objects = check(); // which it has been through: a cell of test/faults/README.md
        console.log(`ok      ${build}: ${name}${objects === undefined ? '' : `: ${objects}`}`);
    } catch (error) {
        failed++;
        console.log(`FAILED  ${build}: ${name}: ${error.message.replace(/\s+/g, ' ')}`);
    }
}
process.exit(failed === 0 ? 0 : 1);
