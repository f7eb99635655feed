/**
 * Runs something in headless Chromium, with no program in between: a page from a server of this process posts what came
 * of it.
 *
 *     node browser.js judge KEYS LIST     judges bundles, as judge.js does, by the one file that pages load
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { '.js': 'text/javascript', '.html': 'text/html; charset=utf-8', '.json': 'application/json' };
const PROGRAMS = [process.env.CANDOR_CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome'].filter(Boolean);
/** What a page of a log is served with: scripts, workers and questions of its own origin alone. */
export const POLICY =
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";

/**
 * Opens the page that `pages` has at `/`, and returns what it posts to `/result`, line by line to `take` what it posts to
 * `/line`. Other paths are those of the package.
 * @param {(path: string) => any} pages each `{ type?, body, status?, policy? }`, or null
 */
export async function inBrowser(pages, { take = (line) => line, seconds = 300, flags = [] } = {}) {
    let done;
    const result = new Promise((resolve) => (done = resolve));
    const server = createServer(async (request, response) => {
        const path = decodeURI(request.url);
        if (request.method === 'POST') {
            let body = '';
            for await (const part of request.setEncoding('utf8')) body += part;
            path === '/line' ? take(body) : done(body);
            response.writeHead(204).end();
            return;
        }
        const page = (await pages(path)) ?? ofPackage(path);
        const headers = {
            'content-type': page?.type ?? TYPES[extname(path)] ?? 'application/octet-stream',
            'content-security-policy': page?.policy ?? POLICY,
        };
        response.writeHead(page?.status ?? (page ? 200 : 404), headers).end(page?.body ?? '');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const profile = mkdtempSync(join(tmpdir(), 'candor-browser-'));
    const browser = await start(`http://127.0.0.1:${server.address().port}/`, profile, flags);
    let errors = '';
    browser.stderr.on('data', (data) => (errors = (errors + data).slice(-4000)));
    const timer = new Promise((_, reject) => {
        setTimeout(() => reject(new Error(`the page says nothing: ${errors}`)), 1000 * seconds).unref();
        browser.on('exit', (code) => reject(new Error(`the browser ended with ${code}: ${errors}`)));
    });
    try {
        return await Promise.race([result, timer]);
    } finally {
        const ended = new Promise((resolve) => browser.on('exit', resolve));
        timer.catch(() => {});
        // A browser is many processes, which are a group of their own.
        process.kill(-browser.pid, 'SIGKILL');
        await ended;
        server.closeAllConnections();
        server.close();
        rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
}

function ofPackage(path) {
    const file = /^\/js\/((?:src|dist|test)\/[\w.-]+)$/.exec(path)?.[1];
    return file ? { body: readFileSync(join(HERE, file)) } : null;
}

async function start(url, profile, flags) {
    const options = [
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--no-first-run',
        '--disable-background-networking',
        `--user-data-dir=${profile}`,
        ...flags,
        url,
    ];
    for (const program of PROGRAMS) {
        const child = spawn(program, options, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
        const isThere = await new Promise((resolve) => {
            child.on('spawn', () => resolve(true));
            child.on('error', () => resolve(false));
        });
        if (isThere) return child;
    }
    throw new Error(`there is no Chromium: none of ${PROGRAMS.join(', ')} can be run`);
}

async function judgeBundles(keysFile, listFile) {
    const files = new Map(
        readFileSync(listFile, 'utf8')
            .trim()
            .split('\n')
            .map((file) => [basename(file), file]),
    );
    const pages = (path) => {
        if (path === '/')
            return {
                type: TYPES['.html'],
                body: '<!doctype html><script type="module" src="/judge-page.js"></script>',
            };
        if (path === '/judge-page.js') return { body: JUDGE_PAGE };
        if (path === '/keys.json') return { body: readFileSync(keysFile) };
        if (path === '/names.json') return { body: JSON.stringify([...files.keys()]) };
        const name = /^\/bundles\/(.*)$/.exec(path)?.[1];
        return files.has(name) ? { body: readFileSync(files.get(name)) } : null;
    };
    const error = await inBrowser(pages, { take: (line) => console.log(line), seconds: 540 });
    if (error) throw new Error(error);
}

const JUDGE_PAGE = `
import * as candor from '/js/dist/candor.js';
const post = (path, body) => fetch(path, { method: 'POST', body });
${(await import('./judge.js')).judge.toString()}
try {
  const [keys, names] = await Promise.all(['/keys.json', '/names.json'].map(async (path) => (await fetch(path)).json()));
  for (const name of names) {
    const bytes = new Uint8Array(await (await fetch('/bundles/' + encodeURIComponent(name))).arrayBuffer());
    await post('/line', JSON.stringify(await judge(candor, name, bytes, keys[name] ?? keys[''])));
  }
  await post('/result', '');
} catch (error) {
  await post('/result', String(error && error.stack));
}
`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [what, ...args] = process.argv.slice(2);
    if (what !== 'judge') throw new Error('say what to do: judge KEYS LIST');
    await judgeBundles(...args);
}
