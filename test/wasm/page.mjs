// SPDX-License-Identifier: MIT OR Apache-2.0
// The page: runs the test programs one after the other and shows what their threads do. serve.mjs
// serves it. ?programs=park,stress runs some of them only, ?limit=SECONDS is for each.
import {newMemory, THREADS} from './agent.mjs';
import {Picture} from './picture.mjs';
import {now} from './worker.mjs';

const $ = (selector) => document.querySelector(selector);
const options = new URLSearchParams(location.search);
const programs = (options.get('programs') ?? 'park,waiters,futex,stress').split(',');
const limit = Number(options.get('limit') ?? 120);

const picture = new Picture($('canvas'), $('#picture'));
const rows = new Map();
for (const name of programs) {
    const row = $('tbody').insertRow();
    row.append(...[name, '', '', ''].map((text) => {
        const cell = document.createElement('td');
        cell.textContent = text;
        return cell;
    }));
    rows.set(name, row.cells);
}

// For whoever drives this page.
const state = globalThis.state = {verdict: 'READY', programs: [], main: null, picture};

function verdict(text) {
    state.verdict = $('#verdict').textContent = $('#verdict').className = text;
}

const lines = [];
function print(text) {
    lines.push(...text.split('\n').filter((line) => line !== ''));
    lines.splice(0, lines.length - 7);
    $('pre').textContent = lines.join('\n');
}

// Returns the program's exit status, and all that it wrote. null: it did not end in time.
async function run(name) {
    const module = await WebAssembly.compileStreaming(fetch(`programs/${name}_test`));
    const memory = newMemory();
    const workers = [];
    let output = '';
    const status = await new Promise((resolve) => {
        setTimeout(() => resolve(null), limit * 1000);
        for (let thread = 0; thread < THREADS; thread++) {
            const worker = new Worker('worker.mjs', {type: 'module'});
            worker.onmessage = ({data: {text, status, lanes}}) => {
                if (lanes !== undefined && thread === 0)
                    picture.watch(name, memory, lanes);
                if (text !== undefined)
                    output += text, print(text);
                if (status !== undefined)
                    resolve(status);
            };
            worker.onerror = ({message}) => {
                output += message, print(message);
                resolve(1);
            };
            worker.postMessage({module, memory, thread});
            workers.push(worker);
        }
    });
    picture.watch(null);
    workers.forEach((worker) => worker.terminate());
    return {status, output};
}

async function runAll() {
    $('#run').disabled = true;
    verdict('RUNNING');
    picture.run();
    let failed = 0;
    for (const name of programs) {
        const [, tests, seconds, result] = rows.get(name);
        result.textContent = result.className = 'RUNNING';
        const start = performance.now();
        const {status, output} = await run(name);
        const passed = Number(output.match(/^(\d+) tests passed$/m)?.[1] ?? 0);
        const good = status === 0 && passed > 0;
        failed += !good;
        tests.textContent = passed;
        seconds.textContent = ((performance.now() - start) / 1000).toFixed(1);
        result.textContent = result.className = good ? 'PASS' : 'FAIL';
        if (status === null)
            print(`${name}: no end after ${limit} seconds`);
        state.programs.push({name, passed, good, status, output, seconds: seconds.textContent});
    }
    picture.stop();
    verdict(failed === 0 ? 'PASS' : 'FAIL');
}

// The page's thread: the same library, told the truth and told a lie.
async function tryMainThread() {
    const module = await WebAssembly.compileStreaming(fetch('library.wasm'));
    const memory = new WebAssembly.Memory({initial: 2, maximum: 2, shared: true});
    const park = (mayBlock) => {
        const {exports} = new WebAssembly.Instance(module, {
            env: {memory},
            valet: {now, may_block: () => mayBlock},
        });
        return exports.valet_park(0x10000);
    };
    const honest = park(0);
    let lied;
    try {
        lied = park(1);
    } catch (error) {
        lied = `${error.name}: ${error.message}`;
    }
    state.main = {honest, lied};
    $('#main').textContent = `valet_park returns ${honest}` +
        `${honest === -3 ? ', VALET_ERR_UNSUPPORTED' : ''}. Were valet.may_block to say 1 here: ${lied}.`;
}

$('#run').onclick = runAll;
try {
    await tryMainThread();
} catch (error) {
    state.main = {error: String(error)};
    $('#main').textContent = error;
}
