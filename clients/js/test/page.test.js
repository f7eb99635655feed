/**
 * What a page does with the scripts that it loads, in headless Chromium. A driver opens one page after the other in a
 * frame, does what a reader would, and posts what is to be seen.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { base64, hex, utf8 } from '../src/bytes.js';
import { leafHash } from '../src/rfc6962.js';
import { inBrowser, POLICY } from './browser.js';
import { card, digestOf, key, publisher, record, RELEASE, signed, TestLog, withdrawal } from './support.js';

const [one, two] = [1, 2].map(key);
const file = (path, text = path) => ({ path, size: text.length, digest: { sha256: digestOf(text) } });
const MARKUP = '<img src=x onerror="document.title=1">';

function logOf(origin) {
    const log = new TestLog(origin);
    log.append(signed(publisher('example-lab', [one]), one));
    log.card = log.append(signed(card(), one));
    log.weights = log.release(RELEASE, [file('README.md'), file('a/model.bin', 'x'.repeat(3_000_000))], one);
    const { digest } = record(JSON.parse(new TextDecoder().decode(log.entries[log.card]))).statement;
    log.statement = digest;
    log.statementJson = JSON.parse(new TextDecoder().decode(card()));
    const payload = JSON.parse(new TextDecoder().decode(withdrawal('example-lab', RELEASE, digestOf('nothing'))));
    payload.predicate.explanation = MARKUP;
    log.append(signed(utf8(JSON.stringify(payload)), one));
    log.append(signed(card('example-lab/old@1', '# Old\n'), one));
    const old = record(JSON.parse(new TextDecoder().decode(log.entries[4]))).statement;
    payload.subject = [{ name: 'example-lab/old@1', digest: { sha256: old.digest } }];
    log.append(signed(utf8(JSON.stringify(payload)), one));
    return log;
}

const logs = { good: logOf('good.example/log'), forked: logOf('forked.example/log') };
const shown = (log, index, more = '') => {
    const leaf = base64(leafHash(log.entries[index]));
    return `<article data-candor-record="${index}" data-leaf-hash="${leaf}" ${more}><p data-verdict></p></article>`;
};
const html = (log, body, head = '') =>
    `<!doctype html><html lang="en"><head><meta name="candor-log-key" content="${log.key}"><meta name="candor-log-url" content="/logs/${log.name}/">${head}<script type="module" src="/js/dist/page.js"></script></head><body>${body}</body></html>`;
for (const [name, log] of Object.entries(logs)) log.name = name;

const { good, forked } = logs;
const DROP = (more = '') =>
    `<section data-candor-drop ${more}><input type="file"><progress></progress><p data-verdict></p><ul data-releases></ul></section>`;
const PAGES = {
    good: html(
        good,
        shown(good, 0) + shown(good, good.card, `data-statement="${good.statement}"`) + shown(good, good.weights),
    ),
    changed: html(
        good,
        `${shown(good, good.card).replace('data-leaf-hash="', 'data-leaf-hash="x')}${shown(good, 0, `data-statement="${good.statement}"`)}<article data-candor-record="99"></article><article data-candor-record="x"></article><article data-candor-record="4"><p data-verdict></p></article>`,
    ),
    withdrawn: html(
        good,
        `<article data-candor-record="4" data-withdrawn><p data-verdict></p></article>${shown(good, good.card, 'data-withdrawn')}`,
    ),
    words: html(
        good,
        `<main><h1 data-shows="subject">${RELEASE}</h1>${shown(good, good.card)}<pre data-shows="entry">${new TextDecoder().decode(good.entries[good.card])}</pre><pre data-shows="statement">${JSON.stringify(good.statementJson, null, 2)}</pre><p><b data-shows="digest">${good.statement}</b></p></main>`,
    ),
    otherWords: html(
        good,
        [
            ['kind', 'weights'],
            ['subject', `${RELEASE}+r2`],
            ['publisher', 'example-la'],
            ['digest', good.statement.replace(/.$/, '_')],
            ['statement', '{}'],
            ['statement', 'nothing'],
            ['nonsense', ''],
        ]
            .map(([what, text]) => `<tr><td data-shows="${what}">${text}</td><td>${shown(good, good.card)}</td></tr>`)
            .reduce((all, row) => all + row, '<table>'),
    ),
    summary: html(good, `<p data-candor-summary></p>${shown(good, 0)}${shown(good, good.card)}`),
    noRecords: html(good, '<p data-candor-summary></p>'),
    hex: html(good, `<article data-candor-record="0" data-leaf-hash="${hex(leafHash(good.entries[0]))}"></article>`),
    noKey: html(good, shown(good, 0)).replace(good.key, ''),
    wrongKey: html(good, shown(good, 0)).replace(good.key, new TestLog('good.example/log', key(51)).key),
    drop: html(good, DROP()),
    compare: html(good, DROP(`data-weights="${good.weights}"`)),
    pin: html(
        good,
        `<form data-candor-pin><input name="key"><button>Pin</button><p data-verdict></p></form>${shown(good, 0)}`,
    ),
    forked: html(forked, shown(forked, 0)),
    oldBrowser: html(good, shown(good, 0), '<script src="/old-browser.js"></script>'),
};

/** What the driver does, in the browser. */
async function drive() {
    const post = (path, body) => fetch(path, { method: 'POST', body: JSON.stringify(body) });
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const frame = document.body.appendChild(document.createElement('iframe'));
    const open = async (name) => {
        await new Promise((resolve) => {
            frame.onload = resolve;
            frame.src = `/pages/${name}`;
        });
        return settled();
    };
    const settled = async () => {
        for (let n = 0; n < 2400; n++) {
            await wait(25);
            const page = frame.contentDocument;
            const places = [
                ...page.querySelectorAll(
                    '[data-candor-record] p, [data-candor-summary], [data-candor-drop] > p, form p',
                ),
            ];
            const isStill = places.some(
                (it) => it.className === 'checking' || (!it.className && it.closest('[data-candor-record]')),
            );
            if (!isStill)
                return places.map((it) => [
                    it.className,
                    it.textContent,
                    it.getAttribute('role'),
                    it.getAttribute('aria-live'),
                    it.children.length,
                ]);
        }
        return 'it does not end';
    };
    const choose = async (files) => {
        const input = frame.contentDocument.querySelector('input[type=file]');
        const transfer = new DataTransfer();
        for (const it of files) transfer.items.add(it);
        // As webkitdirectory has it: the path is a File's own, which no script can set.
        Object.defineProperty(input, 'files', { configurable: true, value: files });
        input.dispatchEvent(new Event('change'));
        return {
            places: await settled(),
            releases: [...frame.contentDocument.querySelectorAll('li')].map((it) => [it.className, it.textContent]),
            progress: frame.contentDocument.querySelector('progress').value,
        };
    };
    const inFolder = (path, text) =>
        Object.defineProperty(new File([text], path.split('/').at(-1)), 'webkitRelativePath', {
            value: `tiny/${path}`,
        });
    const folder = () => [
        inFolder('README.md', 'README.md'),
        inFolder('a/model.bin', 'x'.repeat(3000000)),
        inFolder('.git/HEAD', 'ref'),
    ];
    const drop = async (files) => {
        const zone = frame.contentDocument.querySelector('[data-candor-drop]');
        const transfer = new DataTransfer();
        for (const it of files) transfer.items.add(it);
        zone.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
        return {
            places: await settled(),
            releases: [...frame.contentDocument.querySelectorAll('li')].map((it) => [it.className, it.textContent]),
        };
    };
    const pin = async (text) => {
        const form = frame.contentDocument.querySelector('form');
        form.querySelector('input').value = text;
        form.requestSubmit();
        await wait(300);
        return settled();
    };
    try {
        const seen = {};
        for (const name of [
            'good',
            'changed',
            'withdrawn',
            'words',
            'otherWords',
            'summary',
            'noRecords',
            'hex',
            'noKey',
            'wrongKey',
            'oldBrowser',
        ])
            seen[name] = await open(name);
        await open('drop');
        seen.dropped = await drop([new File(['README.md'], 'README.md')]);
        seen.nobodys = await drop([new File(['nobody has this'], 'x')]);
        seen.large = await choose([new File(['x'.repeat(3000000)], 'model.bin')]);
        seen.folder = await choose(folder());
        seen.otherFolder = await choose(folder().slice(1));
        await open('compare');
        seen.compared = await choose(folder());
        seen.differs = await choose([...folder().slice(0, 1), inFolder('a/model.bin', 'y'), inFolder('extra', 'z')]);
        await open('pin');
        seen.badPin = await pin('nonsense');
        seen.pinned = await pin(await (await fetch('/other-key')).text());
        seen.pinnedReload = await open('good');
        await open('pin');
        seen.unpinned = await pin('');
        seen.forkedFirst = await open('forked');
        await fetch('/fork');
        seen.forked = await open('forked');
        await fetch('/unfork');
        seen.forkedAgain = await open('forked');
        const { BrowserMemory } = await import('/js/dist/candor.js');
        seen.state = await new BrowserMemory().get('forked.example/log');
        // Two memories of one database, as two tabs have them, each of which counts from what it saw.
        const memories = [new BrowserMemory('counting'), new BrowserMemory('counting')];
        const count = async (memory) => {
            for (let n = 0; n < 10;) {
                const before = await memory.get('x');
                const after = { checkpoint: String(Number(before?.checkpoint ?? 0) + 1), evidence: [] };
                if (await memory.replace('x', before, after)) n++;
            }
        };
        await Promise.all(memories.map(count));
        seen.counted = (await memories[0].get('x')).checkpoint;
        await post('/result', seen);
    } catch (error) {
        await post('/result', { error: String(error && error.stack) });
    }
}

function pagesOf() {
    let isForked = false;
    // Another history of the same log, by the same key.
    const other = new TestLog(forked.origin);
    other.pad(9);
    return async (path) => {
        if (path === '/')
            return {
                type: 'text/html',
                body: '<!doctype html><body><script type="module" src="/driver.js"></script>',
                policy: `${POLICY}; frame-src 'self'`,
            };
        if (path === '/driver.js') return { body: `${drive}\ndrive();` };
        if (path === '/old-browser.js')
            return {
                body: "crypto.subtle.importKey = () => Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError'));",
            };
        if (path === '/other-key') return { body: new TestLog('good.example/log', key(52)).key };
        if (path === '/fork' || path === '/unfork') return { body: String((isForked = path === '/fork')) };
        const name = /^\/pages\/(\w+)$/.exec(path)?.[1];
        if (name) return { type: 'text/html', body: PAGES[name] };
        const [, log, rest] = /^\/logs\/(\w+)(\/.*)$/.exec(path) ?? [];
        if (!log) return null;
        const answer = await (log === 'forked' && isForked ? other : logs[log]).fetch(rest);
        return {
            type: answer.headers.get('content-type') ?? 'application/octet-stream',
            status: answer.status,
            body: new Uint8Array(await answer.arrayBuffer()),
        };
    };
}

test(
    'a page verifies what it shows, finds dropped files, and keeps what it saw, in a browser',
    { timeout: 600_000 },
    async (t) => {
        const seen = JSON.parse(await inBrowser(pagesOf(), { seconds: 540 }));
        assert.equal(seen.error, undefined);
        const is = (places, ...expected) => {
            assert.deepEqual(
                places.map(([name]) => name),
                expected.map(([name]) => name),
                JSON.stringify(places),
            );
            expected.forEach(([, words], n) => assert.match(places[n][1], words));
            // Text is text, and changes are read out.
            for (const [, , role, live, children] of places)
                assert.deepEqual([role, live, children], ['status', 'polite', 0]);
        };
        await t.test('what is in the log is verified', () => {
            is(
                seen.good,
                ['verified', /^Verified: the publisher record of example-lab is in the log, at entry 0/],
                ['verified', /model-card/],
                ['verified', /weights/],
            );
            is(seen.hex, ['verified', /publisher record/]);
            is(seen.words, ['verified', /model-card/]);
        });
        await t.test('what is changed fails, and what can not be told is unknown', () => {
            is(
                seen.changed,
                ['failed', /^Failed: what is shown is not entry 1 of the log: its leaf hash is x/],
                ['failed', /its statement digest is/],
                ['unknown', /^Could not tell: entry 99 is not in the tree/],
                ['unknown', /does not say which entry/],
                ['failed', /withdrawn by entry 5 \(error\): <img src=x/],
            );
            is(
                seen.withdrawn,
                ['verified', /; the record is withdrawn by entry 5 \(error\): <img src=x/],
                ['unknown', /but it is shown as withdrawn, and the log lists no withdrawal$/],
            );
            const parts = ['kind', 'subject', 'publisher', 'digest', 'statement', 'statement', 'nonsense'];
            const other = (part) => [
                'failed',
                new RegExp(`^Failed: what is shown is not entry 1 of the log: its ${part} is another`),
            ];
            is(seen.otherWords, ...parts.map(other));
            is(seen.noKey, ['unknown', /this page names no key of a log/]);
            is(seen.wrongKey, ['failed', /the log's checkpoint does not hold/]);
        });
        await t.test('a browser that can not check Ed25519 says so, and passes nothing', () => {
            is(seen.oldBrowser, ['unknown', /this browser cannot check Ed25519 \(Unrecognized name\.\)/]);
        });
        await t.test('a summary is read out in place of each verdict', () => {
            assert.deepEqual(
                seen.summary.map(([name, , role]) => [name, role]),
                [
                    ['verified', 'status'],
                    ['verified', null],
                    ['verified', null],
                ],
            );
            assert.match(seen.summary[0][1], /^Verified: 2 of 2 records on this page are in the log/);
            assert.equal(seen.noRecords[0][0], 'unknown');
        });
        await t.test('files are hashed in a worker, and found', () => {
            is(seen.dropped.places, [
                'verified',
                /^Verified: it is README.md of example-lab\/tiny-lm@1.0.0, which example-lab signed \(entry 2\)$/,
            ]);
            assert.deepEqual(
                seen.dropped.releases.map(([name]) => name),
                ['verified'],
            );
            is(seen.nobodys.places, ['unknown', /^Could not tell: the log lists no release with a file/]);
            assert.deepEqual(seen.nobodys.releases, []);
            is(seen.large.places, ['verified', /it is a\/model.bin of example-lab/]);
            assert.equal(seen.large.progress, 3_000_000);
        });
        await t.test('folders are found by their manifests, and held against a release', () => {
            is(seen.folder.places, ['verified', /^Verified: they are example-lab\/tiny-lm@1.0.0/]);
            is(seen.otherFolder.places, ['unknown', /no release with exactly these 1 files/]);
            is(seen.compared.places, [
                'verified',
                /^Verified: all 2 files are as example-lab\/tiny-lm@1.0.0 lists them/,
            ]);
            is(seen.differs.places, ['failed', /changed: a\/model.bin, not listed: extra/]);
        });
        await t.test("a pinned key takes the place of the page's", () => {
            is(seen.badPin, ['unknown', /three parts/], ['verified', /./]);
            is(
                seen.pinned,
                ['verified', /the key is pinned in this browser/],
                ['failed', /^Failed: this log is not signed by the key that you pinned/],
            );
            is(seen.pinnedReload, ...Array(3).fill(['failed', /this log is not signed by the key that you pinned/]));
            is(seen.unpinned, ['verified', /no key is pinned/], ['verified', /./]);
        });
        await t.test('what was seen stays in the browser: a fork is refused from then on', () => {
            is(seen.forkedFirst, ['verified', /./]);
            is(seen.forked, ['failed', /^Failed: the log signed two histories/]);
            is(seen.forkedAgain, ['failed', /was caught with two histories/]);
            assert.equal(seen.state.evidence[0].finding, 'fork');
            assert.equal(seen.state.checkpoint, forked.checkpoint());
        });
        await t.test('two tabs at once lose nothing', () => assert.equal(seen.counted, '20'));
    },
);
