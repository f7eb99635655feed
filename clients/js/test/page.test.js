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
    const of = (index) => JSON.parse(new TextDecoder().decode(log.entries[index]));
    log.document = record(of(log.card)).statement.subject.sha256;
    log.root = record(of(log.weights)).statement.predicate.root;
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

const logs = {
    good: logOf('good.example/log'),
    forked: logOf('forked.example/log'),
    moving: logOf('moving.example/log'),
    slow: logOf('slow.example/log'),
    renamed: logOf('renamed.example/log'),
};
const article = (index, body = '', more = '') =>
    `<article data-candor-record="${index}" ${more}>${body}<p data-verdict></p></article>`;
/** What a page says of a record, and what it leaves out of that. */
const shown = (log, index, more = '', leftOut = '') => {
    const { kind, subject, publisher: by } = record(JSON.parse(new TextDecoder().decode(log.entries[index]))).statement;
    const words = [
        ['kind', kind.replace('-', ' ')],
        ['subject', subject.name],
        ['publisher', by],
    ].map(([part, text]) => (part === leftOut ? `<b>${text}</b>` : `<b data-shows="${part}">${text}</b>`));
    return article(index, words.join(' '), `data-leaf-hash="${base64(leafHash(log.entries[index]))}" ${more}`);
};
const html = (log, body, head = '') =>
    `<!doctype html><html lang="en"><head><meta name="candor-log-key" content="${log.key}"><meta name="candor-log-url" content="/logs/${log.name}/">${head}<script type="module" src="/js/dist/page.js"></script></head><body>${body}</body></html>`;
for (const [name, log] of Object.entries(logs)) log.name = name;

const { good, forked, moving, slow, renamed } = logs;
const DROP = (more = '') =>
    `<section data-candor-drop ${more}><input type="file"><progress></progress><p data-verdict></p><ul data-releases></ul></section>`;
const PAGES = {
    good: html(
        good,
        shown(good, 0) + shown(good, good.card, `data-statement="${good.statement}"`) + shown(good, good.weights),
    ),
    get goodAgain() {
        return this.good;
    },
    changed: html(
        good,
        `${shown(good, good.card).replace('data-leaf-hash="', 'data-leaf-hash="x')}${shown(good, 0, `data-statement="${good.statement}"`)}${article(99)}${article('x')}${article(4)}`,
    ),
    withdrawn: html(
        good,
        `${shown(good, 4, 'data-withdrawn')}${shown(good, good.card, 'data-withdrawn')}<section data-candor-short>${shown(good, 4, 'data-withdrawn')}</section>`,
    ),
    withdrawnSummary: html(good, `<p data-candor-summary></p>${shown(good, 0)}${shown(good, 4, 'data-withdrawn')}`),
    unmarked: html(
        good,
        `${shown(good, good.card, '', 'subject')}${shown(good, good.card, '', 'publisher')}<table><tr><td data-shows="subject">${RELEASE}</td><td>${article(good.card)}</td></tr></table>${article(good.card)}`,
    ),
    broken: html(good, shown(good, 0) + shown(good, good.card), '<script src="/breaks.js"></script>'),
    noDatabase: html(good, shown(good, 0), '<script src="/no-database.js"></script>'),
    brokenKeys: html(good, shown(good, 0)),
    noDatabaseForked: html(forked, shown(forked, 0) + DROP(), '<script src="/no-database.js"></script>'),
    noStorage: html(good, `<table><tr><td>${shown(good, 0)}</td></tr></table>`, '<script src="/no-storage.js"></script>'),
    moving: html(moving, shown(moving, 0)),
    moved: html(renamed, shown(renamed, 0)).replace('/logs/renamed/', '/logs/moving/'),
    movedAway: html(renamed, shown(renamed, 0)),
    sameElsewhere: html(moving, shown(moving, 0)).replace('/logs/moving/', '/logs/moving/also/'),
    slow: html(slow, shown(slow, 0) + DROP()),
    words: html(
        good,
        `<main><h1 data-shows="subject">${RELEASE}</h1>${shown(good, good.card)}<pre data-shows="entry">${new TextDecoder().decode(good.entries[good.card])}</pre><pre data-shows="statement">${JSON.stringify(good.statementJson, null, 2)}</pre><p><b data-shows="digest">${good.statement}</b> <b data-shows="index">${good.card}</b> <b data-shows="subject-digest">${good.document}</b> <b data-shows="attachment">${good.document}</b> <b data-shows="root" data-of="99">of another</b></p></main>`,
    ),
    elsewhere: html(
        good,
        `${shown(good, good.weights)}<p>Root <b data-shows="root" data-of="${good.weights}">${good.root}</b></p>`,
    ),
    otherElsewhere: html(
        good,
        `${shown(good, good.weights)}<p>Root <b data-shows="root" data-of="${good.weights}">x</b></p>`,
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
            ['index', '11'],
            ['subject-digest', digestOf('another card')],
            ['attachment', digestOf('another card')],
            ['root', digestOf('nothing')],
        ]
            .map(([what, text]) => `<tr><td data-shows="${what}">${text}</td><td>${shown(good, good.card)}</td></tr>`)
            .reduce((all, row) => all + row, '<table>'),
    ),
    summary: html(good, `<p data-candor-summary></p>${shown(good, 0)}${shown(good, good.card)}`),
    noRecords: html(good, '<p data-candor-summary></p>'),
    hex: html(
        good,
        shown(good, 0).replace(/data-leaf-hash="[^"]*"/, `data-leaf-hash="${hex(leafHash(good.entries[0]))}"`),
    ),
    noKey: html(good, shown(good, 0)).replace(good.key, '').replace('/logs/good/', '/logs/new/'),
    noKeyNow: html(good, shown(good, 0)).replace(good.key, ''),
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
    const open = async (name, isWaitedFor = true) => {
        await new Promise((resolve) => {
            frame.onload = resolve;
            frame.src = `/pages/${name}`;
        });
        return isWaitedFor ? settled() : null;
    };
    /** Forgets which keys the logs of this site had: in the wild, each has a site of its own. */
    const newSite = async () => localStorage.removeItem('candor-log-keys');
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
                    [...it.querySelectorAll('*')].map((inner) => inner.localName).join(' '),
                    it.title,
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
        const left = frame.contentDocument.querySelectorAll('li').length;
        return {
            left,
            places: await settled(),
            releases: [...frame.contentDocument.querySelectorAll('li')].map((it) => [
                it.className,
                ...[...it.querySelectorAll('a')].map(({ pathname }) => pathname),
            ]),
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
            'noKey',
            'good',
            'goodAgain',
            'changed',
            'withdrawn',
            'withdrawnSummary',
            'unmarked',
            'broken',
            'noDatabase',
            'noStorage',
            'words',
            'otherWords',
            'elsewhere',
            'otherElsewhere',
            'summary',
            'noRecords',
            'hex',
            'noKeyNow',
            'wrongKey',
            'oldBrowser',
        ])
            seen[name] = await open(name);
        // Something broke what was kept of keys: this is said, and the next page knows better.
        localStorage.setItem('candor-log-keys', '[[');
        seen.brokenKeys = [await open('brokenKeys'), await open('brokenKeys'), await open('wrongKey')];
        await open('drop');
        seen.dropped = await drop([new File(['README.md'], 'README.md')]);
        const { Worker } = frame.contentWindow;
        frame.contentWindow.Worker = class {
            constructor() {
                throw new Error('it is gone');
            }
        };
        seen.unreadable = await drop([new File(['x'], 'x')]);
        frame.contentWindow.Worker = Worker;
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
        seen.field = frame.contentDocument.querySelector('input').value;
        // Another tab pins a key, which this window does too, and takes it away.
        const other = await (await fetch('/other-key')).text();
        await open('good');
        localStorage.setItem('candor-log-key', other);
        await wait(300);
        seen.pinnedElsewhere = await settled();
        localStorage.removeItem('candor-log-key');
        await wait(300);
        seen.unpinnedElsewhere = await settled();
        // A key is pinned while what was asked before is still to be answered.
        await newSite();
        for (const what of ['records', 'files']) {
            await open('slow');
            if (what === 'files') await drop([new File(['README.md'], 'README.md')]);
            await fetch('/slow');
            if (what === 'records') await open('slow', false);
            else void drop([new File(['a file'], 'README.md')]);
            await wait(500);
            localStorage.setItem('candor-log-key', other);
            await wait(300);
            await fetch('/fast');
            await wait(1000);
            seen[`race of ${what}`] = await settled();
            localStorage.removeItem('candor-log-key');
            await wait(300);
        }
        await newSite();
        seen.moving = await open('moving');
        seen.movedAway = await open('movedAway');
        seen.sameElsewhere = await open('sameElsewhere');
        await fetch('/move');
        seen.moved = await open('moved');
        localStorage.setItem('candor-log-key', await (await fetch('/new-key')).text());
        seen.movedPinned = await open('moved');
        localStorage.removeItem('candor-log-key');
        seen.movedConfirmed = await open('moved');
        seen.movedBack = await open('moving');
        // What keeps nothing for good still keeps it for as long as the page is open.
        await newSite();
        seen.unkept = [await open('noDatabaseForked')];
        const again = async () => {
            frame.contentWindow.dispatchEvent(new StorageEvent('storage', { key: null }));
            await wait(300);
            return settled();
        };
        seen.unkept.push(await again());
        await fetch('/fork');
        seen.unkept.push(await again());
        seen.unkeptDrop = await drop([new File(['README.md'], 'README.md')]);
        await fetch('/unfork');
        await newSite();
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

/** Scripts that stand for other browsers, or for a page that breaks. */
const SCRIPTS = {
    '/old-browser.js':
        "crypto.subtle.importKey = () => Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError'));",
    '/breaks.js':
        "const { closest } = Element.prototype; Element.prototype.closest = function (names) { if (names === 'tr, main' && this.dataset.candorRecord === '0') throw new Error('it breaks'); return closest.call(this, names); };",
    '/no-database.js': "IDBFactory.prototype.open = () => { throw new DOMException('not here', 'SecurityError'); };",
    '/no-storage.js':
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('not here', 'SecurityError'); } });",
};

function pagesOf() {
    let [isForked, isMoved] = [false, false];
    let [isFast, hurry] = [Promise.resolve(), () => {}];
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
        if (SCRIPTS[path]) return { body: SCRIPTS[path] };
        if (path === '/other-key') return { body: new TestLog('good.example/log', key(52)).key };
        if (path === '/fork' || path === '/unfork') return { body: String((isForked = path === '/fork')) };
        if (path === '/new-key') return { body: renamed.key };
        if (path === '/move') return { body: String((isMoved = true)) };
        if (path === '/slow') {
            isFast = new Promise((resolve) => (hurry = resolve));
            return { body: '' };
        }
        if (path === '/fast') return { body: String(hurry()) };
        const name = /^\/pages\/(\w+)$/.exec(path)?.[1];
        if (name) return { type: 'text/html', body: PAGES[name] };
        const [, log, rest] = /^\/logs\/(\w+)(?:\/also)?(\/.*)$/.exec(path) ?? [];
        if (!log) return null;
        if (log === 'slow') await isFast;
        const asked = log === 'forked' && isForked ? other : log === 'moving' && isMoved ? renamed : logs[log];
        const answer = await asked.fetch(rest);
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
            // Text is text, with what was not checked apart, and changes are read out.
            for (const [, , role, inner] of places) {
                assert.equal(role, 'status');
                assert.ok(['', 'small'].includes(inner), inner);
            }
        };
        await t.test('what is in the log is verified', () => {
            is(
                seen.good,
                [
                    'verified',
                    /^Verified: the publisher record of example-lab is in the log, at entry 0, and signed by example-lab \(not checked: the statement, and what else this page says in words of its own; whether the log's lists leave records out; whether this is the history that others see: no checkpoint of this log was seen here before\)$/,
                ],
                ['verified', /model-card/],
                ['verified', /weights/],
            );
            is(
                seen.goodAgain,
                ...Array(3).fill(['verified', /words of its own; whether the log's lists leave records out\)$/]),
            );
            is(seen.hex, ['verified', /publisher record/]);
            is(seen.words, ['verified', /model-card.*not checked: what else this page says/]);
            is(seen.elsewhere, ['verified', /weights/]);
            is(seen.otherElsewhere, ['failed', /is not entry 2 of the log: its root is another/]);
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
                ['verified', /^Verified, withdrawn: .*; the record is withdrawn by entry 5 \(error\): <img src=x/],
                ['unknown', /but it is shown as withdrawn, and the log lists no withdrawal$/],
                ['verified', /^Verified, withdrawn$/],
            );
            assert.match(
                seen.withdrawn[2][4],
                /the record is withdrawn by entry 5 .*not checked: the statement, and what else .*; whether the log's lists/,
            );
            assert.match(seen.withdrawnSummary[0][1], /^Verified: 2 of 2 .* and signed, 1 of them withdrawn; 0 failed/);
            const without = (parts) => [
                'unknown',
                new RegExp(`this page does not say which ${parts} it`),
            ];
            // Whoever signed is no detail: another name could stand there in its place.
            is(
                seen.unmarked,
                without('subject'),
                without('publisher'),
                without('kind and publisher'),
                without('kind and subject and publisher'),
            );
            const parts = ['kind', 'subject', 'publisher', 'digest', 'statement', 'statement', 'nonsense'].concat([
                'index',
                'subject-digest',
                'attachment',
                'root',
            ]);
            const other = (part) => [
                'failed',
                new RegExp(`^Failed: what is shown is not entry 1 of the log: its ${part} is another`),
            ];
            is(seen.otherWords, ...parts.map(other));
            is(seen.noKey, ['unknown', /this page names no log.s key/]);
            is(seen.noKeyNow, ['failed', /had another key before.*; this page names none\)$/]);
            is(seen.wrongKey, ['failed', /the log of this site had another key before/]);
            is(seen.broken, ['unknown', /there is no telling: Error: it breaks/], ['verified', /model-card/]);
        });
        await t.test('a browser that can not check Ed25519 says so, and passes nothing', () => {
            is(seen.oldBrowser, ['unknown', /this browser cannot check Ed25519 \(Unrecognized name\.\)/]);
        });
        await t.test('a browser that keeps nothing verifies all the same, and says what it can not know', () => {
            is(seen.noDatabase, ['verified', /no checkpoint of this log was seen here before; .*nothing is kept here/]);
            is(seen.noStorage, ['verified', /not checked: whether you pinned a key, .* keeps nothing; what else this page/]);
            const [first, second, third] = seen.unkept;
            const isFirst = /no checkpoint of this log was seen here before/;
            is(first, ['verified', isFirst], ['', /^$/]);
            is(second, ['verified', /nothing is kept here/], ['', /^$/]);
            assert.doesNotMatch(second[0][1], isFirst);
            const twoHistories = /^Failed: the log signed two histories/;
            is(third, ['failed', twoHistories], ['', /^$/]);
            assert.match(seen.unkeptDrop.places[1][1], /^Failed: .*two histories/);
        });
        await t.test('what a browser kept of keys and can not be read is said, and does not stay', () => {
            const [first, second, third] = seen.brokenKeys;
            is(first, ['verified', /not checked: which key this log had before: what this browser kept .* can't be read;/]);
            is(second, ['verified', /not checked: the statement, and what else/]);
            is(third, ['failed', /the log of this site had another key before/]);
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
                /^Verified: it is README.md of example-lab\/tiny-lm@1.0.0, which example-lab signed \(entry 2\) \(not checked: [^()]*\)$/,
            ]);
            const path = (end) => `/logs/good/${end}`;
            assert.deepEqual(seen.dropped.releases, [
                ['verified', path('releases/example-lab/tiny-lm@1.0.0'), path('records/2')],
            ]);
            // What was found before is not said of what came after, be it read or not.
            assert.equal(seen.unreadable.left, 0);
            is(seen.unreadable.places, ['unknown', /^Could not tell: the files could not be read: it is gone$/]);
            assert.deepEqual(seen.unreadable.releases, []);
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
                /^Verified: 2 of its 2 files are as example-lab\/tiny-lm@1.0.0 lists them/,
            ]);
            is(seen.differs.places, ['failed', /changed: a\/model.bin, not listed: extra/]);
        });
        await t.test("a pinned key takes the place of the page's", () => {
            is(seen.badPin, ['unknown', /three parts/], ['verified', /./]);
            is(
                seen.pinned,
                ['done', /^Done: the key is pinned in this browser$/],
                ['failed', /^Failed: this log is not signed by the key that you pinned/],
            );
            is(seen.pinnedReload, ...Array(3).fill(['failed', /this log is not signed by the key that you pinned/]));
            // It was not verified that nothing is pinned.
            is(seen.unpinned, ['done', /^Done: no key is pinned$/], ['verified', /./]);
            // It is not filled in with what the page says.
            assert.equal(seen.field, '');
        });
        await t.test('a key that is pinned in another tab counts here at once', () => {
            is(seen.pinnedElsewhere, ...Array(3).fill(['failed', /not signed by the key that you pinned/]));
            is(seen.unpinnedElsewhere, ...Array(3).fill(['verified', /./]));
        });
        await t.test('what was asked before a key was pinned does not come after it', () => {
            for (const what of ['records', 'files'])
                assert.match(
                    seen[`race of ${what}`].at(what === 'files' ? -1 : 0)[1],
                    /not signed by the key that you pinned/,
                );
            assert.deepEqual(
                seen['race of files'].map(([name]) => name),
                ['failed', 'failed'],
            );
        });
        await t.test('a log that comes under another name is refused until its key is pinned', () => {
            is(seen.moving, ['verified', /./]);
            const refused = ['failed', /^Failed: the log of this site had another key before/];
            is(seen.moved, refused);
            // Nor does it help to name another address.
            is(seen.movedAway, refused);
            is(seen.sameElsewhere, ['verified', /./]);
            is(seen.movedPinned, ['verified', /./]);
            is(seen.movedConfirmed, ['verified', /./]);
            is(seen.movedBack, refused);
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
