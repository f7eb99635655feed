import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { base64, hex, utf8 } from '../src/bytes.js';
import { isFork } from '../src/evidence.js';
import { LogClient } from '../src/log-client.js';
import { FileMemory } from '../src/memory-file.js';
import { MemoryOnly } from '../src/memory.js';
import { leafHash } from '../src/rfc6962.js';
import { parseVerifierKey } from '../src/signed-note.js';
import { card, digestOf, key, publisher, record, RELEASE, signed, TestLog, withdrawal } from './support.js';

const [one, two, three] = [1, 2, 3].map(key);

/** A log with a publisher, its second list of keys, a card by the new key, and entries of no concern. */
function storyLog(padding = 3) {
    const log = new TestLog();
    log.pad(padding);
    const first = publisher('example-lab', [one]);
    log.first = log.append(signed(first, one));
    log.pad(1);
    log.second = log.append(signed(publisher('example-lab', [two], digestOf(first)), one, two));
    log.card = log.append(signed(card(), two));
    log.pad(2);
    return log;
}

const clientOf = (log, memory = new MemoryOnly(), more = {}) =>
    new LogClient({ url: 'http://log.test', key: log.key, fetch: log.fetch, memory, ...more });
const is = (found, verdict, words) => {
    assert.equal(
        found.verdict,
        verdict,
        JSON.stringify(found, (_, it) => (typeof it === 'bigint' ? String(it) : it), 1),
    );
    assert.match(found.what, words);
    return found;
};

test('a record is verified from tiles, entries and the publisher records before it', async () => {
    const log = storyLog();
    const found = is(
        await clientOf(log).verifyRecord(log.card),
        'holds',
        /^the model-card record of example-lab\/tiny-lm@1.0.0 is in the log, at entry 6, and signed by example-lab$/,
    );
    assert.deepEqual(found.signedBy, [two.keyid]);
    assert.equal(found.leafHash, base64(leafHash(log.entries[log.card])));
    assert.equal(found.checkpoint.size, log.entries.length);
    assert.ok(found.notChecked.some((it) => /no checkpoint of this log was seen here before/.test(it)));
    for (const index of [log.first, log.second])
        is(await clientOf(log).verifyRecord(index), 'holds', /^the publisher record of example-lab/);
});

test('what is shown of a record must be what the log has', async () => {
    const log = storyLog();
    const client = clientOf(log);
    const entry = log.entries[log.card];
    const { digest } = record(JSON.parse(new TextDecoder().decode(entry))).statement;
    is(
        await client.verifyRecord(log.card, { entry, leafHash: base64(leafHash(entry)), statement: digest }),
        'holds',
        /./,
    );
    is(await client.verifyRecord(log.card, { leafHash: hex(leafHash(entry)) }), 'holds', /./);
    is(
        await client.verifyRecord(log.card, { leafHash: base64(leafHash(utf8('x'))) }),
        'refuted',
        /^what is shown is not entry 6 of the log: its leaf hash is/,
    );
    is(await client.verifyRecord(log.card, { leafHash: 'nonsense' }), 'refuted', /its leaf hash is nonsense/);
    is(await client.verifyRecord(log.card, { entry: log.entries[log.first] }), 'refuted', /its leaf hash is/);
    is(await client.verifyRecord(log.card, { statement: digestOf('x') }), 'refuted', /its statement digest is/);
    is(
        await client.verifyRecord(log.card - 1, { leafHash: base64(leafHash(entry)) }),
        'refuted',
        /what is shown is not entry 5/,
    );
});

test('logs of many tiles are read, and partial tiles that are gone are read from the full ones', async () => {
    const log = storyLog(300);
    is(await clientOf(log).verifyRecord(log.card), 'holds', /./);
    assert.ok(log.asked.includes(`/tile/entries/001.p/${log.entries.length - 256}`));
    // The log has grown to full tiles meanwhile, and has dropped the partial ones.
    log.shownSize = log.entries.length;
    log.pad(512 - log.entries.length);
    const shown = log.shownSize;
    log.tile = function (level, n, width) {
        if (width < 256 && !(level === '1')) return null;
        return TestLog.prototype.tile.call(this, level, n, width, this.entries.length);
    };
    is(await clientOf(log).verifyRecord(log.card), 'holds', /./);
    assert.ok(log.asked.includes('/tile/entries/001') && log.asked.includes('/tile/0/001'), String(shown));
});

test("an entry or a tile that is not the log's is refuted, and it is said which", async () => {
    for (const [lie, words] of [
        [
            ['/tile/entries/', (bytes) => flipAt(bytes, 40)],
            /entry \d, as the log serves it, is not in the tree of 9 entries that the log signed: .*; tile\/entries\/000.p\/9 is not what tile\/0\/000.p\/9 says$/,
        ],
        [['/tile/0/', (bytes) => flipAt(bytes, 5)], /the tiles do not lead to the signed root$/],
    ]) {
        const log = storyLog();
        log.lies.set(...lie);
        is(await clientOf(log).verifyRecord(log.card), 'refuted', words);
    }
    const log = storyLog(300);
    log.lies.set('/tile/0/000', (bytes) => flipAt(bytes, 5));
    is(await clientOf(log).verifyRecord(7), 'refuted', /; tile\/0\/000 is not what tile\/1\/000.p\/1 says$/);
});

const flipAt = (bytes, at) => bytes.map((byte, n) => (n === at ? byte ^ 1 : byte));

test('a cache that rotted is asked past once before the log is accused', async () => {
    const log = storyLog();
    let bad = true;
    log.lies.set('/tile/entries/', (bytes) => (bad ? ((bad = false), flipAt(bytes, 40)) : bytes));
    const caches = [];
    const client = clientOf(log, new MemoryOnly(), { fetch: (url, { cache }) => (caches.push(cache), log.fetch(url)) });
    is(await client.verifyRecord(log.card), 'holds', /./);
    assert.ok(caches.includes('reload'));
});

test('what is missing, broken off or of another form is unknown', async () => {
    for (const [path, answer, words] of [
        ['/checkpoint', new Response('gone', { status: 500 }), /checkpoint answers with status 500/],
        ['/checkpoint', utf8('<html>sign in</html>'), /the log's checkpoint does not hold: the note has no signatures/],
        ['/tile/entries/', new Response('', { status: 404 }), /tile\/entries\/000.p\/9 answers with status 404/],
        ['/tile/0/', utf8('short'), /tile\/0\/000.p\/9 can't be read: the tile has 5 bytes/],
        ['/tile/entries/', (bytes) => bytes.subarray(0, bytes.length - 1), /the entry bundle ends inside entry/],
        ['/api/v1/publishers/', utf8('[]'), /it has no history/],
        ['/api/v1/publishers/', utf8('{"history":["1"]}'), /its history are no indexes/],
        [
            '/api/v1/publishers/',
            utf8('{"history":[0],"next":"https://elsewhere.example/"}'),
            /names a next page that is none of the API's/,
        ],
        ['/api/v1/publishers/', utf8('{"history":[],"next":"/api/v1/publishers/x"}'), /its list does not end/],
        [
            '/api/v1/publishers/',
            utf8(`{"history":[0],"next":"/api/v1/${'x'.repeat(2000)}"}`),
            /names a next page that is none of the API's/,
        ],
        ['/api/v1/publishers/', utf8('{"history":[0],"next":5}'), /names a next page that is none of the API's/],
        // One more on each page, for ever.
        ['/api/v1/publishers/', utf8('{"history":[0],"next":"/api/v1/publishers/x"}'), /its list does not end/],
        ['/api/v1/publishers/', utf8(`{"history":[${'0,'.repeat(2e5)}0]}`), /its list does not end/],
        [
            '/api/v1/records',
            new Response(JSON.stringify({ detail: 'x'.repeat(60000) }), {
                status: 500,
                headers: { 'content-type': 'application/problem+json' },
            }),
            /the log says: x{300}$/,
        ],
        ['/api/v1/publishers/', utf8('{"history":[500]}'), /none of the signatures|entry 500|publisher/],
        ['/api/v1/records', new Response('', { status: 502 }), /api\/v1\/records.* answers with status 502/],
    ]) {
        const log = storyLog();
        log.lies.set(path, answer);
        is(await clientOf(log).verifyRecord(log.card), 'unknown', words);
    }
    const log = storyLog();
    is(
        await clientOf(log).verifyRecord(log.entries.length),
        'unknown',
        /^entry 9 is not in the tree that the log signed, which has 9 entries$/,
    );
    is(
        await clientOf(log, new MemoryOnly(), {
            fetch: () => Promise.reject(new TypeError('fetch failed')),
        }).verifyRecord(0),
        'unknown',
        /http:\/\/log.test\/checkpoint can't be had: fetch failed/,
    );
});

test('a server that is busy is asked again', async () => {
    const log = storyLog();
    let busy = 2;
    const fetch = async (url) =>
        busy-- > 0 ? new Response('', { status: 503, headers: { 'retry-after': '0.01' } }) : log.fetch(url);
    is(await clientOf(log, new MemoryOnly(), { fetch }).verifyRecord(log.card), 'holds', /./);
});

test('answers without end are cut off', async () => {
    const log = storyLog();
    const endless = () => new Response(new ReadableStream({ pull: (it) => it.enqueue(new Uint8Array(1 << 20)) }));
    const client = clientOf(log, new MemoryOnly(), {
        fetch: async (url) => (url.endsWith('/checkpoint') ? endless() : log.fetch(url)),
    });
    is(await client.verifyRecord(0), 'unknown', /it has more than 720896 bytes/);
});

test('nobody but the log is asked, and nothing goes along', async () => {
    const log = storyLog();
    const seen = [];
    const client = clientOf(log, new MemoryOnly(), {
        url: 'http://log.test///',
        fetch: (url, options) => (seen.push([url, options]), log.fetch(url)),
    });
    is(await client.verifyRecord(log.card), 'holds', /./);
    for (const [url, options] of seen) {
        assert.ok(url.startsWith('http://log.test/') && !url.includes('test//'), url);
        assert.deepEqual(
            [options.credentials, options.redirect, options.referrerPolicy],
            ['omit', 'error', 'no-referrer'],
        );
    }
});

test('publisher records that the log leaves out make it unknown, never a pass', async () => {
    for (const history of [[], [3], [5]]) {
        const log = storyLog();
        log.lies.set('/api/v1/publishers/', utf8(JSON.stringify({ history })));
        is(
            await clientOf(log).verifyRecord(log.card),
            'unknown',
            /^the publisher records that the log lists don't explain entry/,
        );
    }
    const log = storyLog();
    log.lies.set('/api/v1/publishers/', null);
    is(
        await clientOf(log).verifyRecord(log.card),
        'unknown',
        /don't explain entry 6: no publisher example-lab is registered/,
    );
});

test('a record by a key that does not count, or that is none, is refuted', async () => {
    const log = storyLog();
    const late = log.append(signed(card('example-lab/other@1'), one));
    is(
        await clientOf(log).verifyRecord(late),
        'refuted',
        /^entry 9 should not be in the log: the key .* is no longer a key of example-lab: entry 5 took it off the list$/,
    );
    is(await clientOf(log).verifyRecord(0), 'refuted', /^entry 0 is no record: the envelope is not strict JSON/);
    const spaced = log.append(utf8(JSON.stringify(signed(card('example-lab/other@2'), two), null, 1)));
    is(await clientOf(log).verifyRecord(spaced), 'refuted', /is not in canonical form/);
    log.lies.set('/api/v1/publishers/', utf8(JSON.stringify({ history: [3, 5, 6] })));
    is(
        await clientOf(log).verifyRecord(late),
        'refuted',
        /^the log names entry 6 as a record of publisher example-lab, and it is none$/,
    );
});

test('a record that was withdrawn is refuted, and by whom is said', async () => {
    const log = storyLog();
    const { digest } = record(JSON.parse(new TextDecoder().decode(log.entries[log.card]))).statement;
    const by = log.append(signed(withdrawal('example-lab', RELEASE, digest), two));
    const found = is(
        await clientOf(log).verifyRecord(log.card),
        'refuted',
        /^the record is withdrawn by entry 9 \(error\): The wrong file was uploaded\.$/,
    );
    assert.equal(found.withdrawnBy, by);
    is(await clientOf(log).verifyRecord(by), 'holds', /./);
    // Who shows it as withdrawn says what is so.
    const shown = is(
        await clientOf(log).verifyRecord(log.card, { withdrawn: true }),
        'holds',
        /^the model-card record .* signed by example-lab; the record is withdrawn by entry 9 \(error\): The wrong file/,
    );
    assert.equal(shown.withdrawnBy, by);
    is(
        await clientOf(storyLog()).verifyRecord(log.card, { withdrawn: true }),
        'unknown',
        /, but it is shown as withdrawn, and the log lists no withdrawal$/,
    );
    // Somebody else's withdrawal changes nothing.
    const other = storyLog();
    other.append(signed(publisher('example-evals', [three]), three));
    other.append(signed(withdrawal('example-evals', RELEASE, digest), three));
    is(await clientOf(other).verifyRecord(other.card), 'holds', /./);
});

test('what others wrote can not pass for something else', async () => {
    const log = storyLog();
    const { digest } = record(JSON.parse(new TextDecoder().decode(log.entries[log.card]))).statement;
    const payload = JSON.parse(new TextDecoder().decode(withdrawal('example-lab', RELEASE, digest)));
    payload.predicate.explanation = 'all\ngood\u202edoog\u0000';
    log.append(signed(utf8(JSON.stringify(payload)), two));
    is(
        await clientOf(log).verifyRecord(log.card),
        'refuted',
        /^the record is withdrawn by entry 9 \(error\): all good\\u\{202e\}doog\\u\{0\}$/,
    );
    log.lies.set(
        '/checkpoint',
        new Response('{"type":"x","detail":"a\u202eb"}', {
            status: 500,
            headers: { 'content-type': 'application/problem+json' },
        }),
    );
    is(await clientOf(log).verifyRecord(log.card), 'unknown', /the log says: a\\u\{202e\}b$/);
});

test('one checkpoint answers all questions until the client is refreshed', async () => {
    const log = storyLog();
    const client = clientOf(log);
    is(await client.verifyRecord(log.card), 'holds', /./);
    const late = log.append(signed(card('example-lab/other@1'), two));
    is(await client.verifyRecord(late), 'unknown', /is not in the tree/);
    client.refresh();
    const found = is(await client.verifyRecord(late), 'holds', /./);
    assert.deepEqual(found.notChecked, ["whether the log's lists leave records out"]);
    assert.equal(log.asked.filter((it) => it === '/checkpoint').length, 2);
});

test('a log that grows is followed, and one that goes back is not, as long as it stays so', async () => {
    const log = storyLog();
    const memory = new MemoryOnly();
    for (const size of [1, 2, 5, 9]) {
        log.shownSize = size;
        is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
    }
    assert.equal((await clientOf(log, memory).checkpoint()).advance, 'same');
    log.shownSize = 4;
    const goneBack = /^the log shows a tree of 4 entries, and one of 9 was seen before$/;
    const kept = async () => (await memory.get(log.origin)).evidence.map(({ finding }) => finding);
    // Its larger tree's tiles are gone, so that nothing is proven.
    const found = is(await clientOf(log, memory).verifyCheckpoint(), 'unknown', goneBack);
    assert.equal(found.evidence.finding, 'stale');
    assert.equal(log.asked.filter((it) => it === '/checkpoint').length, 7, 'it is asked again');
    assert.deepEqual(await kept(), ['stale']);
    // What is proven to be the beginning of what was seen is no newer by that, and the same evidence is kept once.
    let size = 4;
    log.answer = function (path) {
        if (path !== '/checkpoint') return new TestLogOf(this.entries).answer(path);
        return utf8(this.checkpoint(size));
    };
    is(await clientOf(log, memory).verifyCheckpoint(), 'unknown', goneBack);
    assert.deepEqual(await kept(), ['stale']);
    // An address that lags for a moment, and for no longer.
    const lagging = log.answer;
    log.answer = function (path) {
        const answer = lagging.call(this, path);
        if (path === '/checkpoint') size = 9;
        return answer;
    };
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /a tree of 9 entries/);
    assert.deepEqual(await kept(), ['stale']);
    assert.ok((await memory.get(log.origin)).checkpoint.includes('\n9\n'), 'the newest stays');
});

test('what others saw while a checkpoint was on its way makes it no older than it was', async () => {
    const log = storyLog();
    const memory = new MemoryOnly();
    log.shownSize = 4;
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
    log.answer = function (path) {
        if (path !== '/checkpoint') return new TestLogOf(this.entries).answer(path);
        return utf8(this.checkpoint(5));
    };
    // Another tab remembers a larger tree between this one's question and what it remembers of the answer.
    let isFirst = true;
    const shared = {
        get: (origin) => memory.get(origin),
        replace: async (origin, before, after) => {
            if (isFirst) await memory.replace(origin, before, { ...after, checkpoint: log.checkpoint(9) });
            isFirst = false;
            return memory.replace(origin, before, after);
        },
    };
    const older = is(await clientOf(log, shared).verifyCheckpoint(), 'holds', /a tree of 5 entries/);
    assert.ok(older.notChecked.some((it) => /more of them were seen here meanwhile/.test(it)));
    const { checkpoint, evidence } = await memory.get(log.origin);
    assert.ok(checkpoint.includes('\n9\n'), 'the newest stays');
    assert.deepEqual(evidence, []);
});

function TestLogOf(entries) {
    const log = new TestLog();
    log.entries = entries;
    return log;
}

test('a fork is refuted with both signed checkpoints, and the log is refused from then on', async () => {
    for (const [first, second] of [
        [9, 9],
        [9, 12],
        [5, 12],
        [12, 9],
    ]) {
        const log = storyLog();
        const other = new TestLog();
        other.pad(6);
        for (const it of [log, other]) it.pad(20);
        const memory = new MemoryOnly();
        log.shownSize = first;
        is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
        other.shownSize = Math.max(first, second);
        other.answer = function (path) {
            return path === '/checkpoint' ? utf8(this.checkpoint(second)) : TestLog.prototype.answer.call(this, path);
        };
        if (second < first) {
            // The other log signed a smaller tree: what the first one's tiles say of so many entries is another.
            const tiles = log;
            other.answer = function (path) {
                return path === '/checkpoint' ? utf8(this.checkpoint(second)) : tiles.answer(path);
            };
        }
        const found = is(await clientOf(other, memory).verifyCheckpoint(), 'refuted', /^the log signed two histories/);
        assert.equal(found.evidence.finding, 'fork');
        assert.ok(await isFork(found.evidence, parseVerifierKey(log.key)));
        assert.deepEqual(
            [found.evidence.seen, found.evidence.shown],
            [log.checkpoint(first), other.checkpoint(second)],
        );
        // Also when it shows the first history again.
        is(
            await clientOf(log, memory).verifyRecord(log.card),
            'refuted',
            /was caught with two histories, both of which it signed$/,
        );
        assert.equal((await memory.get(log.origin)).checkpoint, log.checkpoint(first), 'what was seen first stays');
        // To somebody who saw nothing before, it is a log.
        is(await clientOf(log).verifyCheckpoint(), 'holds', /./);
    }
});

test('evidence that proves nothing refuses no log', async () => {
    const log = storyLog();
    const memory = new MemoryOnly();
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
    const state = await memory.get(log.origin);
    const made = (seen, shown, proof) => ({
        type: 'urn:candor:evidence:v1',
        finding: 'fork',
        origin: log.origin,
        logKey: log.key,
        seen,
        shown,
        ...(proof && { proof }),
    });
    const forged = new TestLog(log.origin, key(51));
    forged.pad(9);
    const evidence = [
        made(log.checkpoint(9), log.checkpoint(9)),
        made(log.checkpoint(5), log.checkpoint(9)),
        made(log.checkpoint(9), forged.checkpoint(9)),
        made(log.checkpoint(5), log.checkpoint(9), {
            from: 5,
            to: 9,
            rootInLargerTree: base64(new Uint8Array(32)),
            hashes: [],
        }),
        made('x', 'y'),
    ];
    assert.ok(await memory.replace(log.origin, state, { ...state, evidence }));
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
});

test('tiles that are not those of the signed tree leave a growing log unproven, and its newest checkpoint unseen', async () => {
    const log = storyLog();
    const memory = new MemoryOnly();
    log.shownSize = 5;
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
    log.shownSize = 9;
    log.lies.set('/tile/0/', (bytes) => bytes && flipAt(bytes, 5));
    const found = is(
        await clientOf(log, memory).verifyCheckpoint(),
        'refuted',
        /its tiles are not those of the tree that it signed \(tile\/0\/000.p\/9\)$/,
    );
    assert.equal(found.evidence.finding, 'unproven');
    assert.equal((await memory.get(log.origin)).checkpoint, log.checkpoint(5));
    log.lies.set('/tile/0/', new Response('', { status: 404 }));
    is(
        await clientOf(log, memory).verifyCheckpoint(),
        'unknown',
        /does not show that .* are of one history: .*answers with status 404/,
    );
    log.lies.clear();
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
});

test('a checkpoint by another key is refuted, and one that is remembered from another key is said to be so', async () => {
    const log = storyLog();
    const memory = new MemoryOnly();
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
    const thief = new TestLog(log.origin, key(51));
    thief.entries = log.entries;
    is(
        await clientOf(thief, new MemoryOnly(), { key: log.key }).verifyCheckpoint(),
        'refuted',
        /^the log's checkpoint does not hold: the note is signed by .*, and not by/,
    );
    is(
        await clientOf(thief, memory).verifyCheckpoint(),
        'unknown',
        /^the checkpoint of log.example.org\/candor that is remembered here does not hold/,
    );
    assert.throws(() => new LogClient({ url: 'http://log.test', key: 'nonsense', memory }), /three parts/);
});

test('the last checkpoint of a log is remembered, and a retired log goes on to be read', async () => {
    const log = storyLog();
    const memory = new MemoryOnly();
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
    log.answer = function (path) {
        return path === '/checkpoint'
            ? utf8(this.checkpoint(9, { extensions: 'retired\n' }))
            : TestLog.prototype.answer.call(this, path);
    };
    const found = is(await clientOf(log, memory).verifyRecord(log.card), 'holds', /./);
    assert.deepEqual(found.checkpoint.retirement, { next: null });
    assert.ok((await memory.get(log.origin)).checkpoint.includes('retired'));
});

/** What any memory must do. */
async function checkMemory(memory) {
    const state = (n) => ({ checkpoint: `${n}`, evidence: [] });
    assert.equal(await memory.get('a'), null);
    assert.equal(await memory.replace('a', state(1), state(2)), false);
    assert.equal(await memory.replace('a', null, state(1)), true);
    assert.equal(await memory.replace('a', null, state(2)), false);
    assert.deepEqual(await memory.get('a'), state(1));
    assert.equal(await memory.get('b'), null);
    // Twenty at once: each counts one up from what it saw, until it may.
    const count = async () => {
        for (;;) {
            const before = await memory.get('a');
            if (await memory.replace('a', before, state(Number(before.checkpoint) + 1))) return;
        }
    };
    await Promise.all(Array.from({ length: 20 }, count));
    assert.deepEqual(await memory.get('a'), state(21));
}

test('a memory compares and sets', () => checkMemory(new MemoryOnly()));

test('a memory in files compares and sets, leaves no half of a file, and outlives a program that ended inside', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'candor-memory-'));
    try {
        await checkMemory(new FileMemory(folder));
        const [name] = readdirSync(folder);
        assert.deepEqual(readdirSync(folder), [name]);
        assert.deepEqual(await new FileMemory(folder).get('a'), { checkpoint: '21', evidence: [] });
        writeFileSync(join(folder, `${name}.lock`), '');
        utimesSync(join(folder, `${name}.lock`), new Date(0), new Date(0));
        assert.ok(
            await new FileMemory(folder).replace(
                'a',
                { checkpoint: '21', evidence: [] },
                { checkpoint: '22', evidence: [] },
            ),
        );
        writeFileSync(join(folder, name), '{"check');
        await assert.rejects(new FileMemory(folder).get('a'));
        const log = storyLog();
        is(
            await clientOf(log, {
                get: () => Promise.reject(new Error('the disk is gone')),
                replace: async () => true,
            }).verifyCheckpoint(),
            'unknown',
            /there is no telling: .*the disk is gone/,
        );
    } finally {
        rmSync(folder, { recursive: true });
    }
});

test('two clients with one memory end with the newest of what both saw', async () => {
    const log = storyLog();
    const memory = new MemoryOnly();
    const [a, b] = [storyLog(), storyLog()];
    a.shownSize = 6;
    const results = await Promise.all([
        clientOf(a, memory).verifyCheckpoint(),
        clientOf(b, memory).verifyCheckpoint(),
        clientOf(log, memory).verifyCheckpoint(),
    ]);
    // The one that sees fewer entries has no tiles of the larger tree here, which leaves it open at worst.
    assert.ok(
        results.every(({ verdict }) => verdict !== 'refuted'),
        JSON.stringify(results),
    );
    assert.equal((await memory.get(log.origin)).checkpoint, log.checkpoint(9));
});
