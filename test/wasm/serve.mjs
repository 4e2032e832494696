// SPDX-License-Identifier: MIT OR Apache-2.0
// Usage: node serve.mjs PROGRAMS LIBRARY [PORT]. Serve the page on loopback: PROGRAMS is the directory
// of the test programs, LIBRARY the module that contract.mjs tests, too.
import {createServer} from 'node:http';
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const types = {html: 'text/html', mjs: 'text/javascript', wasm: 'application/wasm'};

// Returns the server and the page's address.
export async function serve(programs, library, port = 0) {
    const server = createServer(async ({url}, response) => {
        const {pathname} = new URL(url, 'http://x');
        const name = pathname === '/' ? 'page.html' : pathname.slice(1);
        const program = name.match(/^programs\/(\w+)$/);
        try {
            if (!/^[\w/]+(\.(html|mjs|wasm))?$/.test(name))
                throw new Error('no such name');
            const body = await readFile(program ? join(programs, program[1])
                : name === 'library.wasm' ? library : join(here, name));
            response.writeHead(200, {
                'Content-Type': program ? types.wasm : types[name.split('.').pop()],
                // A page shares memory with its workers only if it is isolated from other origins.
                'Cross-Origin-Opener-Policy': 'same-origin',
                'Cross-Origin-Embedder-Policy': 'require-corp',
                'Cache-Control': 'no-store',
            });
            response.end(body);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    return {server, address: `http://127.0.0.1:${server.address().port}/`};
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [, , programs, library, port] = process.argv;
    console.log((await serve(programs, library, Number(port ?? 0))).address);
}
