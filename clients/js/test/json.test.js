import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';

import { utf8 } from '../src/bytes.js';
import { canonicalJson, Double, parseJson } from '../src/json.js';
import { readJson } from './support.js';

const parse = (text, max) => parseJson(utf8(text), max);
const refused = (text, words = /./) =>
    assert.throws(
        () => parse(text),
        (error) => error.verdict === 'bad-input' && words.test(error.message),
        text,
    );

test('the documents that were published with RFC 8785 become the published bytes', () => {
    const { cases } = readJson('core/tests/vectors/rfc8785-documents.json');
    assert.equal(cases.length, 6);
    for (const { name, input, output } of cases) {
        // Strict reading refuses more than the RFC does: a number with more digits than a double has.
        if (name === 'values')
            refused(input, /333333333\.33333329 would not survive: as a double it reads 333333333\.3333333/);
        else assert.equal(canonicalJson(parse(input)), output, name);
        assert.equal(canonicalJson(JSON.parse(input)), output, name);
    }
});

const double = (hex) => Buffer.from(hex.padStart(16, '0'), 'hex').readDoubleBE();

test('numbers are written as the appendix of RFC 8785 has them', () => {
    const { numbers, notNumbers } = readJson('core/tests/vectors/rfc8785-numbers.json').appendix;
    assert.equal(numbers.length + notNumbers.length, 26);
    for (const [hex, text] of numbers) assert.equal(canonicalJson(double(hex)), text, hex);
});

test('a hundred thousand numbers have the published checksum', () => {
    const { lines, sha256, first } = readJson('core/tests/vectors/rfc8785-numbers.json').sequence;
    const all = createHash('sha256');
    let left = lines;
    const take = (bits) => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64BE(bits);
        const number = bytes.readDoubleBE();
        if (left-- > 0) all.update(`${bits.toString(16)},${canonicalJson(number)}\n`);
    };
    first.forEach((hex) => take(BigInt(`0x${hex}`)));
    for (let n = 0n; n < 2000n; n++) take(0x0010000000000000n + n);
    for (
        let block = createHash('sha256').update(Buffer.alloc(32)).digest();
        left > 0;
        block = createHash('sha256').update(block).digest()
    ) {
        for (let at = 0; at < 32; at += 8) {
            const number = block.readDoubleLE(at);
            if (Number.isFinite(number) && number !== 0) take(block.readBigUInt64LE(at));
        }
    }
    assert.equal(all.digest('hex'), sha256);
});

test('keys are sorted by UTF-16 and not by UTF-8', () => {
    assert.equal(
        canonicalJson(parse('{"\ufb33":1,"\u{1f602}":2,"z":3,"":4}')),
        '{"":4,"z":3,"\u{1f602}":2,"\ufb33":1}',
    );
});

test('two spellings of a value have one canonical form', () => {
    for (const spelling of [
        '{"b":[1,2.5,-0],"a":"\\u00e9/"}',
        '{ "a" : "\u00e9\\/",\n "b" : [ 1.0 , 25e-1 , 0 ] }',
        '{"a":"\\u00E9\\u002f","b":[10E-1,2.50,0.0]}',
    ]) {
        assert.equal(canonicalJson(parse(spelling)), '{"a":"\u00e9/","b":[1,2.5,0]}', spelling);
    }
});

test('numbers that keep their value are read', () => {
    for (const number of [
        '0',
        '-0',
        '1.50',
        '1e-8',
        '1.0E+2',
        '9007199254740992',
        '-9007199254740992',
        '4.3e23',
        '5e-324',
        '0e99999999999999999999',
    ])
        parse(number);
});

test('numbers that lose digits are refused', () => {
    for (const number of [
        '9007199254740993',
        '9007199254740994',
        '1e20',
        '0.1000000000000000055',
        '1e400',
        '-1e400',
        '2e-324',
        '0.01e-9223372036854775808',
        '10e9223372036854775807',
        '1e-99999999999999999999',
    ]) {
        refused(number, /would not survive/);
    }
    refused(
        '{\n "n": 9007199254740993}',
        /^the number 9007199254740993 would not survive: as a double it reads 9007199254740992 at line 2 column 7$/,
    );
});

test('a whole number that is not written as one is no count', () => {
    for (const text of ['1.0', '1e3', '-0', '10E-1', '2.50e1']) assert.ok(parse(text) instanceof Double, text);
    for (const text of ['1', '0', '-5', '1.5', '9007199254740992']) assert.equal(typeof parse(text), 'number', text);
    assert.equal(JSON.stringify(parse('[1.0,-0,1e3]')), '[1,0,1000]');
    assert.equal(parse('2.0') * 3, 6);
});

test('what readers disagree about is refused', () => {
    refused('{"a": 1, "b": 2, "a": 3}', /the key "a" is there twice/);
    refused('{"a": 1, "\\u0061": 3}', /the key "a" is there twice/);
    refused('{"__proto__": 1, "__proto__": 2}', /twice/);
    refused('{} {}', /trailing characters/);
    for (const text of [
        'NaN',
        '[NaN]',
        'Infinity',
        '01',
        '-',
        '1.',
        '.5',
        '+1',
        '1e',
        '0x1',
        '{a: 1}',
        '[1,]',
        '{"a":1,}',
        '[,1]',
        '[1 2]',
        '{"a" 1}',
        '"\\ud800"',
        '"\\udc00"',
        '"\\ud800\\ud800"',
        '"\\ud800x"',
        '"\\x"',
        '"\\u12"',
        '"a\nb"',
        '"\t"',
        "'a'",
        '',
        ' ',
        'nul',
        'nulll',
        '// c\n1',
        '"a',
        '{"a":',
        '[',
        '\ufeff1',
        '\u00a01',
        '"\\',
    ]) {
        refused(text);
    }
    assert.throws(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22)), /not UTF-8/);
});

test('texts are read as they are meant', () => {
    assert.equal(
        parse('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud7ff\\ue000"'),
        '"\\/\b\f\n\r\t\u00e9\u{1f600}\ud7ff\ue000',
    );
    assert.equal(
        canonicalJson(parse('{"__proto__": {"x": 1}, "constructor": 2}')),
        '{"__proto__":{"x":1},"constructor":2}',
    );
    assert.deepEqual(parse('["9007199254740993 \\" 9007199254740993", "\\\\", 1]'), [
        '9007199254740993 " 9007199254740993',
        '\\',
        1,
    ]);
});

test('nesting is limited', () => {
    const nested = (depth) => '['.repeat(depth) + ']'.repeat(depth);
    parse(nested(32));
    refused(nested(33), /nested more than 32 deep/);
    refused('{"a":'.repeat(100000));
    parse('['.repeat(31) + '{"a":1}' + ']'.repeat(31));
    refused('['.repeat(32) + '{"a":1}' + ']'.repeat(32), /nested more than 32 deep/);
});

test('the number of values can be limited', () => {
    const text = '{"a": [1, 2], "b": null}';
    parse(text, 5);
    assert.throws(() => parse(text, 4), /too many values/);
});
