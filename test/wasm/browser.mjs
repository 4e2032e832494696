// SPDX-License-Identifier: MIT OR Apache-2.0
// Usage: node browser.mjs PROGRAMS LIBRARY DIRECTORY [FAIL]. Drive the page in headless Chromium as a
// user would, look at it while it runs and at the end, and leave screenshots in DIRECTORY. With FAIL
// the programs have a planted bug, and the page must say so.
//
// Chromium is spoken to through a pipe, in the DevTools protocol: JSON texts that end with a 0 byte.
import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {spawn} from 'node:child_process';
import {resolve as absolute} from 'node:path';
import {serve} from './serve.mjs';

const [, , programs, library, directory, expected = 'PASS'] = process.argv;
const profile = absolute(directory, 'profile');
rmSync(profile, {recursive: true, force: true});
mkdirSync(profile, {recursive: true});

let failed = 0;
function check(name, good, why = '') {
    failed += !good;
    console.log(good ? `ok      Chromium: ${name}` : `FAILED  Chromium: ${name}: ${JSON.stringify(why)}`);
}

const {server, address} = await serve(programs, library);
const browser = spawn('chromium', [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-dev-shm-usage', '--hide-scrollbars', `--user-data-dir=${profile}`,
    '--remote-debugging-pipe', 'about:blank',
], {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true});

// However this ends, the browser and all its processes end with it.
function quit(status) {
    try {
        process.kill(-browser.pid, 'SIGKILL');
    } catch {} // gone already
    server.close();
    process.exit(status);
}
process.on('SIGTERM', () => quit(1));
process.on('SIGINT', () => quit(1));
process.on('uncaughtException', (error) => {
    console.log(`FAILED  Chromium: ${error.stack}`);
    quit(1);
});
browser.on('error', () => {
    throw new Error('no browser: needs the package chromium');
});
browser.on('exit', (code) => {
    throw new Error(`the browser has ended: ${code}`);
});

// ---- the protocol

const waiting = new Map();
const complaints = []; // of the page: what it throws, what it fails to load
let received = '', number = 0, session;

browser.stdio[4].setEncoding('utf8').on('data', (data) => {
    const texts = (received + data).split('\0');
    received = texts.pop();
    for (const message of texts.map((text) => JSON.parse(text))) {
        if (message.method === 'Runtime.exceptionThrown')
            complaints.push(message.params.exceptionDetails.exception?.description);
        if (message.method === 'Log.entryAdded' && message.params.entry.level === 'error')
            complaints.push(message.params.entry.text);
        waiting.get(message.id)?.(message);
        waiting.delete(message.id);
    }
});

function send(method, params = {}) {
    const id = ++number;
    browser.stdio[3].write(JSON.stringify({id, method, params, sessionId: session}) + '\0');
    return new Promise((resolve, reject) => waiting.set(id, ({result, error}) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
}

async function evaluate(expression) {
    const {result, exceptionDetails} = await send('Runtime.evaluate', {expression, returnByValue: true});
    if (exceptionDetails)
        throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(expression, seconds) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100))
        if (await evaluate(expression))
            return true;
    return false;
}

async function click(selector) {
    const {x, y} = await evaluate(`(({x, y, width, height}) => ({x: x + width / 2, y: y + height / 2}))(
        document.querySelector('${selector}').getBoundingClientRect())`);
    for (const type of ['mousePressed', 'mouseReleased'])
        await send('Input.dispatchMouseEvent', {type, x, y, button: 'left', clickCount: 1});
}

async function screenshot(name) {
    const {data} = await send('Page.captureScreenshot', {format: 'png'});
    const file = absolute(directory, name);
    writeFileSync(file, Buffer.from(data, 'base64'));
    return file;
}

// ---- the page

const {targetId} = await send('Target.createTarget', {url: 'about:blank'});
({sessionId: session} = await send('Target.attachToTarget', {targetId, flatten: true}));
for (const domain of ['Page', 'Runtime', 'Log'])
    await send(`${domain}.enable`);
await send('Emulation.setDeviceMetricsOverride', {width: 1228, height: 925, deviceScaleFactor: 1, mobile: false});
const {product} = await send('Browser.getVersion');
await send('Page.navigate', {url: address + (expected === 'PASS' ? '' : '?programs=park&limit=300')});

check(`${product} loads the page`, await until("globalThis.state?.main != null", 60), complaints);
check('memory may be shared', await evaluate('crossOriginIsolated'));
const main = await evaluate('state.main');
check("valet_park on the page's own thread is VALET_ERR_UNSUPPORTED, no trap", main.honest === -3, main);
check('and were it told that it may block, a trap', /^RuntimeError: .*wait/i.test(main.lied), main);

await click('#run');
check('a click starts the suite', await until("state.verdict === 'RUNNING'", 100));

if (expected === 'PASS') {
    // The picture lives: the strips and the figures change while the programs run. On a busy machine a look takes long.
    const looks = [];
    const different = (what) => new Set(looks.map((look) => look[what])).size;
    while ((different('picture') < 3 || different('waits') < 2) && await evaluate("state.verdict === 'RUNNING'")) {
        looks.push(await evaluate(`({picture: document.querySelector('canvas').toDataURL(),
            waits: state.picture.totals.reduce((sum, {waits}) => sum + waits, 0)})`));
        await sleep(200);
    }
    check('the picture changes while the programs run', different('picture') >= 3, looks.length);
    check('so does the number of waits', different('waits') >= 2, looks.map((l) => l.waits));
    console.log(`        ${await screenshot('page-running.png')}`);
}

check(`the page says ${expected}`, await until("!['READY', 'RUNNING'].includes(state.verdict)", 500) &&
    await evaluate("document.querySelector('#verdict').textContent") === expected,
    await evaluate('state.programs'));
for (const {name, passed, good, seconds, output} of await evaluate('state.programs'))
    if (expected === 'PASS')
        check(`${name}_test: ${passed} tests passed, ${seconds} s`, good, output.slice(-500));
    else
        check(`a planted bug is caught: ${output.match(/FAILED.*/)}`, !good && /FAILED/.test(output), output);
if (expected === 'PASS') {
    const totals = await evaluate('state.picture.totals');
    check(`all ${totals.length} threads were seen parked and running`, totals.length === 8 &&
        totals.every(({waits, parked, running}) => waits > 0 && parked > 0 && running > 0), totals);
    const pixels = await evaluate('state.picture.pixels()');
    check('and drawn so', pixels.running > 5000 && pixels.parked > 5000, pixels);
    check('the page has nothing to complain of', complaints.length === 0, complaints);
}
console.log(`        ${await screenshot(expected === 'PASS' ? 'page.png' : 'page-fail.png')}`);
browser.removeAllListeners('exit');
quit(failed === 0 ? 0 : 1);
