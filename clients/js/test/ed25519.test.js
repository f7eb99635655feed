import assert from 'node:assert/strict';
import test from 'node:test';

import { concat, fromHex, hex, utf8 } from '../src/bytes.js';
import { isCanonicalS, isUsablePoint, verifyEd25519 } from '../src/ed25519.js';
import { key } from './support.js';

/** Every encoding of a point of small order that decodes: y is 0, 1, -1 or one of the two of order 8. */
const SMALL_ORDER = [
    '0100000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000080',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0000000000000000000000000000000000000000000000000000000000000080',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
].map(fromHex);

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const little = (n) => fromHex(n.toString(16).padStart(64, '0').match(/../g).reverse().join(''));
const number = (bytes) => BigInt(`0x${hex(bytes.slice().reverse())}`);

/** RFC 8032 section 7.1: secret keys are left out, since nothing is signed here. */
const VECTORS = [
    [
        'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
        '',
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
        '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
        '72',
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
    [
        'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
        'af82',
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ],
];

test('the signatures of RFC 8032 hold, and with any bit flipped do not', async () => {
    for (const [point, message, signature] of VECTORS.map((it) => it.map(fromHex))) {
        assert.ok(await verifyEd25519(point, message, signature));
        for (let bit = 0; bit < 512; bit += 7) {
            const other = signature.slice();
            other[bit >> 3] ^= 1 << (bit & 7);
            assert.equal(await verifyEd25519(point, message, other), false, `bit ${bit}`);
        }
        assert.equal(await verifyEd25519(point, concat(message, Uint8Array.of(0)), signature), false);
        for (const length of [0, 63])
            assert.equal(await verifyEd25519(point, message, signature.subarray(0, length)), false);
        assert.equal(await verifyEd25519(point, message, concat(signature, Uint8Array.of(0))), false);
    }
});

test('keys of small order are none, and R of small order makes no signature', async () => {
    const signer = key(1);
    const message = utf8('message');
    for (const point of SMALL_ORDER) {
        assert.equal(isUsablePoint(point), false, hex(point));
        assert.equal(await verifyEd25519(point, message, concat(SMALL_ORDER[0], new Uint8Array(32))), false);
        const forged = concat(point, signer.sign(message).subarray(32));
        assert.equal(await verifyEd25519(signer.bytes, message, forged), false);
        assert.equal(await verifyEd25519(signer.bytes, message, concat(point, new Uint8Array(32))), false);
    }
});

test('a point has one encoding', () => {
    // y = p + 2, of which the canonical form is 2; y of no point; and a few that are points.
    const P = 2n ** 255n - 19n;
    for (let y = 2n; y < 19n; y++) assert.equal(isUsablePoint(little(P + y)), false, `p + ${y}`);
    const points = Array.from({ length: 60 }, (_, n) => isUsablePoint(little(BigInt(n) + 2n))).filter(Boolean).length;
    assert.ok(points > 15 && points < 45, `about half of all numbers are the y of a point, and of these ${points}`);
    for (let seed = 0; seed < 50; seed++) assert.ok(isUsablePoint(key(seed).bytes));
    for (const length of [0, 31, 33]) assert.equal(isUsablePoint(new Uint8Array(length).fill(3)), false);
});

test('a signature has one spelling', async () => {
    const signer = key(1);
    const message = utf8('message');
    const good = signer.sign(message);
    assert.ok(await verifyEd25519(signer.bytes, message, good));
    const s = number(good.subarray(32));
    const isCanonical = (other) => isCanonicalS(concat(good.subarray(0, 32), little(other)));
    // Engines look at it too; that they do is not relied on.
    assert.deepEqual([s, 0n, ORDER - 1n, ORDER, s + ORDER, 2n ** 256n - 1n].map(isCanonical), [
        true,
        true,
        true,
        false,
        false,
        false,
    ]);
    for (const other of [s + ORDER, ORDER, ORDER - 1n, ORDER + 1n, 2n ** 256n - 1n]) {
        assert.equal(
            await verifyEd25519(signer.bytes, message, concat(good.subarray(0, 32), little(other))),
            false,
            String(other),
        );
    }
});

test('a browser without Ed25519 can not tell, and never passes', async () => {
    const signer = key(7);
    const good = signer.sign(utf8('message'));
    const { subtle } = globalThis.crypto;
    for (const crypto of [
        undefined,
        {},
        { subtle: { importKey: () => Promise.reject(new Error('Unrecognized name.')) } },
        { subtle: { importKey: subtle.importKey.bind(subtle), verify: () => Promise.reject(new Error('no')) } },
    ]) {
        const own = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
        Object.defineProperty(globalThis, 'crypto', { value: crypto, configurable: true });
        try {
            await assert.rejects(
                verifyEd25519(key(Math.floor(Math.random() * 200) + 20).bytes, utf8('message'), good),
                (error) => error.verdict === 'unknown' && /this browser cannot check Ed25519/.test(error.message),
            );
        } finally {
            Object.defineProperty(globalThis, 'crypto', own);
        }
    }
});
