// SPDX-License-Identifier: MIT OR Apache-2.0
// The live picture: one strip for each thread, with the last half minute. How much of
// a column is blue is how much of that moment the thread was parked.
import {THREADS} from './agent.mjs';
import {now} from './worker.mjs';

const COLOURS = {idle: '#e3e7ec', running: '#f2a03d', parked: '#2b6cb0', mark: '#1f2933',
    paper: '#ffffff'};
const LANE = 34, GAP = 8, TOP = 22, BOTTOM = 20; // pixels
const MS_PER_PIXEL = 40;

export class Picture {
    // canvas: where to draw; labels: an element for the threads' names and figures
    constructor(canvas, labels) {
        this.canvas = canvas;
        canvas.height = TOP + THREADS * (LANE + GAP) + BOTTOM;
        this.strips = new OffscreenCanvas(canvas.width, canvas.height)
            .getContext('2d', {willReadFrequently: true});
        this.strips.fillStyle = COLOURS.paper;
        this.strips.fillRect(0, 0, canvas.width, canvas.height);
        this.labels = [];
        for (let i = 0; i < THREADS; i++) {
            const label = document.createElement('div');
            label.className = 'lane';
            label.style.top = `${TOP + i * (LANE + GAP)}px`;
            label.innerHTML = '<b></b><span></span><small></small>';
            label.firstChild.textContent = i === 0 ? 'first thread' : `thread ${i}`;
            labels.append(label);
            this.labels.push(label);
        }
        // Over all programs, for each thread: waits that ended, ns parked, ns busy, and of these not parked.
        this.totals = Array.from({length: THREADS}, () => ({waits: 0, parked: 0, busy: 0, running: 0}));
        this.columns = 0; // drawn so far
        this.marks = []; // where programs begin: [column, name]
        for (let i = 0; i < THREADS; i++)
            this.show(i, false, false);
    }

    run() {
        this.start = performance.now();
        this.running = true;
        const frame = () => {
            if (!this.running)
                return;
            this.frame();
            requestAnimationFrame(frame);
        };
        frame();
    }

    stop() {
        this.frame();
        this.running = false;
    }

    // Look at another program: struct lane of host.c, at an address in its memory. null: none.
    watch(name, memory, address) {
        this.lanes = name === null ? null : new BigUint64Array(memory.buffer, address, 4 * THREADS);
        this.before = Array.from({length: THREADS}, () => ({waits: 0, parked: 0}));
        if (name !== null)
            this.marks.push([this.columns, name]);
    }

    // Since the last look: [is it busy, is it parked now, how much of that time].
    look(i, ms) {
        if (!this.lanes)
            return [false, false, 0];
        const [busy, waits, waited, since] = [0, 1, 2, 3].map((k) => Atomics.load(this.lanes, 4 * i + k));
        const before = this.before[i], total = this.totals[i];
        const time = now();
        const parked = Number(waited + (since !== 0n && time > since ? time - since : 0n));
        const share = Math.min(1, Math.max(0, (parked - before.parked) / (ms * 1e6)));
        total.waits += Number(waits) - before.waits;
        total.parked += share * ms * 1e6;
        total.busy += busy ? ms * 1e6 : 0;
        total.running += busy ? (1 - share) * ms * 1e6 : 0;
        this.before[i] = {waits: Number(waits), parked};
        return [busy !== 0n, since !== 0n, busy ? share : 0];
    }

    frame() {
        const {strips: s, canvas: {width, height}} = this;
        const elapsed = Math.floor((performance.now() - this.start) / MS_PER_PIXEL);
        const fresh = elapsed - this.columns;
        if (fresh === 0)
            return;
        const gone = Math.max(0, elapsed - width), gone_before = Math.max(0, this.columns - width);
        const x = Math.max(0, this.columns - gone);
        s.drawImage(s.canvas, gone_before - gone, 0);
        s.fillStyle = COLOURS.paper;
        s.fillRect(x, 0, fresh, height);
        for (let i = 0; i < THREADS; i++) {
            const [busy, parked, share] = this.look(i, fresh * MS_PER_PIXEL);
            const y = TOP + i * (LANE + GAP), blue = Math.round(share * LANE);
            s.fillStyle = busy ? COLOURS.running : COLOURS.idle;
            s.fillRect(x, y, fresh, LANE - blue);
            s.fillStyle = COLOURS.parked;
            s.fillRect(x, y + LANE - blue, fresh, blue);
            this.show(i, busy, parked);
        }
        this.columns = elapsed;

        const c = this.canvas.getContext('2d');
        c.drawImage(s.canvas, 0, 0);
        c.fillStyle = COLOURS.mark;
        c.font = '12px system-ui, sans-serif';
        for (const [column, name] of this.marks) {
            c.fillRect(column - gone, 0, 1, height - BOTTOM);
            c.fillText(name, column - gone + 5, 12);
        }
        const tick = 5000 / MS_PER_PIXEL;
        for (let column = 0; column <= elapsed; column += tick) {
            c.fillRect(column - gone, height - BOTTOM, 1, 5);
            c.fillText(`${column / tick * 5} s`, column - gone + 3, height - 4);
        }
    }

    show(i, busy, parked) {
        const [, state, figures] = this.labels[i].children, {waits, parked: ns, busy: all} = this.totals[i];
        state.className = !busy ? 'idle' : parked ? 'parked' : 'running';
        state.textContent = state.className;
        figures.textContent = `${waits.toLocaleString('en')} waits, parked ` +
            `${all === 0 ? 0 : Math.min(100, Math.round(100 * ns / all))} % of the time`;
    }

    // How many pixels of the strips are running and parked: for who tests this page.
    pixels() {
        const {data} = this.strips.getImageData(0, 0, this.canvas.width, this.canvas.height);
        const counts = {running: 0, parked: 0};
        for (let at = 0; at < data.length; at += 4) {
            const colour = `#${[0, 1, 2].map((k) => data[at + k].toString(16).padStart(2, '0')).join('')}`;
            for (const name in counts)
                counts[name] += colour === COLOURS[name];
        }
        return counts;
    }
}
