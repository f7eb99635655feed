import assert from 'node:assert/strict';
import test from 'node:test';

import { base64, concat, utf8 } from '../src/bytes.js';
import { isFork } from '../src/evidence.js';
import { LogClient } from '../src/log-client.js';
import { MemoryOnly } from '../src/memory.js';
import { nodeHash } from '../src/rfc6962.js';
import { parseVerifierKey } from '../src/signed-note.js';
import { mth, TestLog } from './support.js';

const clientOf = (log, memory) => new LogClient({ url: 'http://log.test', key: log.key, fetch: log.fetch, memory });
const is = (found, verdict, words) => {
    assert.equal(found.verdict, verdict, found.what);
    assert.match(found.what, words);
    return found;
};

/** A log of nine entries, which another with the same key contradicts from the first on. */
function firstLog() {
    const log = new TestLog();
    log.append(utf8('another beginning'));
    log.pad(8);
    return log;
}

test('a fork is refuted where its evidence can not be kept', async () => {
    const log = firstLog();
    const memory = new MemoryOnly();
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
    const full = {
        get: (origin) => memory.get(origin),
        replace: () => Promise.reject(new DOMException('the disk is full', 'QuotaExceededError')),
    };
    const other = new TestLog();
    other.pad(log.entries.length);
    for (let n = 0; n < 2; n++) {
        const found = is(await clientOf(other, full).verifyCheckpoint(), 'refuted', /^the log signed two histories/);
        assert.match(found.hint, /keep the evidence yourself: QuotaExceededError: the disk is full$/);
        assert.ok(await isFork(found.evidence, parseVerifierKey(log.key)));
    }
});

test("evidence whose hashes only look like the log's shows no fork", async () => {
    const log = firstLog();
    const [a, b, c, d] = log.leaves();
    const [ab, size] = [nodeHash(a, b), 4];
    assert.deepEqual(nodeHash(ab, nodeHash(c, d)), mth(log.leaves(size)));
    const made = (first, second, more) => ({
        type: 'urn:candor:evidence:v1',
        finding: 'fork',
        origin: log.origin,
        logKey: log.key,
        seen: log.checkpoint(3),
        shown: log.checkpoint(size),
        proof: {
            from: 3,
            to: size,
            rootInLargerTree: base64(nodeHash(ab, first)),
            hashes: [first, second, ab].map(base64),
        },
        ...more,
    });
    const isEvidence = (evidence) => isFork(evidence, parseVerifierKey(log.key));
    // The two have the same bytes one after the other, so that what stands above them is as the log has it.
    assert.equal(await isEvidence(made(concat(c, d.subarray(0, 1)), d.subarray(1))), false);
    assert.equal(await isEvidence(made(c, d)), false);
    for (const proof of [{}, { hashes: 5 }, { from: 3, to: size, hashes: [5, null] }, { from: 3, to: size }])
        assert.equal(await isEvidence(made(c, d, { proof })), false);
    // What it says of the sizes has to be so too, as `candor` has it.
    const other = new TestLog();
    other.pad(9);
    const memory = new MemoryOnly();
    log.shownSize = 5;
    is(await clientOf(log, memory).verifyCheckpoint(), 'holds', /./);
    const { evidence } = is(await clientOf(other, memory).verifyCheckpoint(), 'refuted', /two histories/);
    assert.equal(await isEvidence(evidence), true);
    for (const wrong of [{ from: 4 }, { to: 8 }])
        assert.equal(await isEvidence({ ...evidence, proof: { ...evidence.proof, ...wrong } }), false);
});
