import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';

import { hex, utf8 } from '../src/bytes.js';
import { hashStream } from '../src/hash-stream.js';
import { CHUNK_BYTES, hashBlob } from '../src/hashing.js';
import { leafHash } from '../src/rfc6962.js';
import { Sha256, sha256 } from '../src/sha256.js';
import { random } from './support.js';

const bytesOf = (length, seed = 7) => Uint8Array.from({ length }, (_, n) => Math.imul(n + seed, 2654435761) >>> 24);
const expected = (bytes) => createHash('sha256').update(bytes).digest('hex');

test('the published digests come out', () => {
    // FIPS 180-4's examples, as NIST publishes them.
    for (const [text, digest] of [
        ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
        ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
        [
            'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
            '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
        ],
        [
            'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
            'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1',
        ],
        ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
    ]) {
        assert.equal(hex(sha256(utf8(text))), digest);
    }
});

test('bytes of every length have the digest that WebCrypto gives them', async () => {
    for (let length = 0; length <= 300; length++) {
        const bytes = bytesOf(length);
        assert.equal(
            hex(sha256(bytes)),
            hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))),
            String(length),
        );
    }
});

test('it does not matter in which pieces bytes arrive', () => {
    const pick = random(3);
    const bytes = bytesOf(5000);
    for (let n = 0; n < 300; n++) {
        const stream = new Sha256();
        for (let at = 0; at < bytes.length;) {
            const end = Math.min(bytes.length, at + pick(200));
            stream.update(bytes.subarray(at, end));
            at = end;
        }
        assert.equal(hex(stream.digest()), expected(bytes));
    }
});

test('lengths over 2^32 bits are counted', () => {
    // 513 MiB, a little over 2^32 bits: the same MiB again and again.
    const piece = bytesOf(1 << 20);
    const [ours, theirs] = [new Sha256(), createHash('sha256')];
    for (let n = 0; n < 513; n++) {
        ours.update(piece);
        theirs.update(piece);
    }
    assert.equal(hex(ours.digest()), theirs.digest('hex'));
});

const leavesOf = (bytes) => {
    const leaves = [];
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
        leaves.push(hex(leafHash(bytes.subarray(at, at + CHUNK_BYTES))));
    return bytes.length > CHUNK_BYTES ? leaves : [];
};

test('files have their digests and the leaf hashes of their chunks, and say how far they are', async () => {
    for (const size of [0, 1, 1000, (1 << 20) + 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 5]) {
        const bytes = bytesOf(size);
        const seen = [];
        const hashed = await hashBlob(new Blob([bytes]), { progress: (done) => seen.push(done), chunks: true });
        assert.equal(hashed.sha256, expected(bytes), String(size));
        assert.equal(hashed.size, size);
        assert.deepEqual(hashed.chunks.map(hex), leavesOf(bytes));
        assert.equal(seen.at(-1), size);
        assert.deepEqual(
            seen,
            [...seen].sort((a, b) => a - b),
        );
        const pieces = async function* () {
            for (let at = 0; at < bytes.length; at += 777_777) yield bytes.subarray(at, at + 777_777);
        };
        const streamed = await hashStream(pieces(), { chunks: true });
        assert.deepEqual(
            { ...streamed, chunks: streamed.chunks.map(hex) },
            { size, sha256: expected(bytes), chunks: leavesOf(bytes) },
        );
    }
});

test('a file that is cut short meanwhile has no digest', async () => {
    const lying = { size: 3 << 20, slice: () => new Blob([bytesOf(1 << 20)]) };
    await assert.rejects(hashBlob(/** @type {any} */ (lying)), /changed while it was read/);
});
