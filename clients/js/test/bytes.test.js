import assert from 'node:assert/strict';
import test from 'node:test';

import { base64, compareUtf8, fromAnyBase64, fromBase64, fromHex, fromUtf8, hex, utf8 } from '../src/bytes.js';
import { random } from './support.js';

test('base64 has one spelling', () => {
    for (let length = 0; length < 40; length++) {
        const bytes = Uint8Array.from({ length }, (_, n) => (n * 37 + length) & 255);
        assert.equal(base64(bytes), Buffer.from(bytes).toString('base64'));
        assert.deepEqual(fromBase64(base64(bytes)), bytes);
    }
    for (const text of [
        'A',
        'AA',
        'AAA',
        'AA=',
        'AB==',
        'AAB=',
        'A===',
        '====',
        '=',
        'AA==AA==',
        'A=A=',
        'AAAA=',
        'AAAA==',
        'AAAA====',
        'AAA\n',
        ' AAAA',
        'AA-_',
        'ÄAAA',
        'AAA\u0141',
    ]) {
        assert.equal(fromBase64(text), null, text);
    }
});

test('DSSE lets signers choose the alphabet and the padding, and nothing else', () => {
    for (const text of ['', 'AA', 'AA=', 'AA==', 'AAA', 'AAA=', 'AAAA', '_-8', '/+8', '_-8='])
        assert.ok(fromAnyBase64(text), text);
    for (const text of ['A', 'AB', 'AAB', 'AAAA=', 'AAA==', 'AA===', '_+8', 'AAAAA', '=', '==', 'AA==A'])
        assert.equal(fromAnyBase64(text), null, text);
    assert.deepEqual(fromAnyBase64('_-8='), fromAnyBase64('/+8='));
});

test('large data becomes base64 and back', () => {
    const bytes = Uint8Array.from({ length: 3 << 20 }, (_, n) => (n * 2654435761) >>> 24);
    assert.equal(base64(bytes), Buffer.from(bytes).toString('base64'));
    assert.deepEqual(Buffer.from(fromBase64(base64(bytes))), Buffer.from(bytes));
});

test('hexadecimal is lower case and of whole bytes', () => {
    assert.equal(hex(Uint8Array.of(0, 255, 16)), '00ff10');
    assert.deepEqual(fromHex('00ff10'), Uint8Array.of(0, 255, 16));
    for (const text of ['0', 'FF', '0g', ' 00']) assert.equal(fromHex(text), null, text);
});

test('what is not UTF-8 is null, and a byte order mark stays', () => {
    assert.equal(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), '\ufeffa');
    for (const bytes of [[0xff], [0xc0, 0x8a], [0xed, 0xa0, 0x80], [0xe2, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
        assert.equal(fromUtf8(Uint8Array.from(bytes)), null);
    }
});

test('texts are ordered as their bytes are', () => {
    const pick = random(1);
    const letters = ['a', 'b', '\u00e9', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}', ''];
    for (let n = 0; n < 20000; n++) {
        const text = () => Array.from({ length: pick(4) }, () => letters[pick(letters.length)]).join('');
        const [a, b] = [text(), text()];
        assert.equal(
            Math.sign(compareUtf8(a, b)),
            Buffer.compare(Buffer.from(utf8(a)), Buffer.from(utf8(b))),
            `${a} ${b}`,
        );
    }
});
