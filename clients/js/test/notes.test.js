import assert from 'node:assert/strict';
import test from 'node:test';

import { base64, concat, utf8 } from '../src/bytes.js';
import { parseNote, parseVerifierKey, verifyNote } from '../src/signed-note.js';
import { parseCheckpoint, verifyCheckpoint } from '../src/tlog-checkpoint.js';
import { EMPTY_ROOT } from '../src/rfc6962.js';
import { key, signatureLine, verifierKeyText } from './support.js';

/** The example in C2SP signed-note, "Example" (commit 5ba5ee830903e91240fc6f9f3a7a9293d49e69c9). */
const FOO_KEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const FOO_NOTE =
    'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';
/** The examples at the top of signed-note and of tlog-checkpoint. */
const QUASIMODO_NOTE =
    'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';
const SOFA_NOTE =
    'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n';

const FOO = parseVerifierKey(FOO_KEY);
const verify = async (note, keys) => {
    const parsed = parseNote(typeof note === 'string' ? utf8(note) : note);
    await verifyNote(parsed, keys);
    return parsed.text;
};
const refused = (note, words, keys = [FOO]) =>
    assert.rejects(verify(note, keys), (error) => error.name === 'Refusal' && words.test(error.message));

test('the key in the specification verifies the note in the specification', async () => {
    assert.deepEqual([FOO.name, FOO.id], ['example.com/foo', '530d903a']);
    assert.equal(await verify(FOO_NOTE, [FOO]), 'This is an example message.\n');
    for (const [text, name, id] of [
        [QUASIMODO_NOTE, 'quasimodo.example/salvatore', '367ba04b'],
        [SOFA_NOTE, 'example.com/behind-the-sofa', '033de0ae'],
    ]) {
        const { text: body, signatures } = parseNote(utf8(text));
        assert.deepEqual(
            signatures.map((it) => [it.name, it.id, it.signature.length]),
            [[name, id, 64]],
        );
        assert.ok(text.startsWith(`${body}\n—`));
    }
});

test('no bit of a note can be flipped, and no byte left out, doubled or added', async () => {
    const bytes = utf8(FOO_NOTE);
    for (let at = 0; at < bytes.length; at++) {
        for (const bit of [0, 1, 4, 7]) {
            const other = bytes.slice();
            other[at] ^= 1 << bit;
            await refused(other, /./);
        }
        await refused(bytes.subarray(0, at), /./);
        await refused(concat(bytes.subarray(0, at), bytes.subarray(at + 1)), /./);
        await refused(concat(bytes.subarray(0, at + 1), bytes.subarray(at)), /./);
    }
});

const foot = (name, seed, text) => signatureLine(name, key(seed), text);
const keyOf = (name, seed) => parseVerifierKey(verifierKeyText(name, key(seed).bytes));

test('the text may have empty lines and lines that look like signatures', async () => {
    for (const text of [
        'a\n',
        '\n',
        '\n\n',
        '\n\n\n',
        'a\n\nb\n',
        'a\n\n\n\nb\n\n',
        'a\n\n— x AAAAAAA=\n',
        '— x AAAAAAA=\n\n',
        '\u007f\u0080\u2028\ufeff\u{10ffff}\n',
    ]) {
        assert.equal(await verify(`${text}\n${foot('example.org/log', 1, text)}`, [keyOf('example.org/log', 1)]), text);
    }
});

test('signatures of unknown keys are ignored, and one that is said to be of a known key condemns the note', async () => {
    const [text, name] = ['text\n', 'example.org/log'];
    const good = foot(name, 1, text);
    const known = keyOf(name, 1);
    const sameId = good.replace(name, 'example.org/other');
    for (const unknown of [foot(name, 2, text), sameId, `— ${name} AAAAAAc=\n`]) {
        assert.equal(await verify(`${text}\n${unknown}${good}`, [known]), text);
        assert.equal(await verify(`${text}\n${good}${unknown}`, [known]), text);
        await refused(`${text}\n${unknown}`, /^the note is signed by .*, and not by example.org\/log\+/, [known]);
    }
    const id = Buffer.from(known.id, 'hex');
    const signature = key(1).sign(utf8(text));
    for (const bad of [
        key(1).sign(utf8('other\n')),
        signature.subarray(0, 1),
        signature.subarray(0, 63),
        concat(signature, Uint8Array.of(0)),
        new Uint8Array(64),
    ]) {
        const line = `— ${name} ${base64(concat(id, bad))}\n`;
        for (const lines of [line + good, good + line, line])
            await refused(
                `${text}\n${lines}`,
                /^the signature of example.org\/log \(key id .*\) is not over this text$/,
                [known],
            );
        assert.equal(await verify(`${text}\n${line}${foot('b', 2, text)}`, [keyOf('b', 2)]), text);
    }
});

test('a note has at most 128 signatures', async () => {
    const lines = Array.from({ length: 129 }, (_, n) => foot(`example.org/${n}`, n, 'text\n'));
    for (const count of [1, 16, 128])
        assert.ok(
            await verify(`text\n\n${lines.slice(0, count).join('')}`, [keyOf(`example.org/${count - 1}`, count - 1)]),
        );
    await refused(`text\n\n${lines.join('')}`, /^the note has over 128 signatures$/, [keyOf('example.org/0', 0)]);
    await refused(`${'x'.repeat(720_896)}\n\n${lines[0]}`, /^the note has \d+ bytes, and at most 720896 are read$/);
});

test('notes of another form are refused', async () => {
    const [text, line] = FOO_NOTE.split(/(?<=\.\n)\n/);
    for (const bad of [
        '',
        '\n',
        '\n\n',
        '\n\n\n',
        text,
        `${text}\n`,
        FOO_NOTE.slice(0, -1),
        text + line,
        `${FOO_NOTE}\n`,
        line,
    ])
        await refused(bad, /^the note has no signatures/);
    await refused(FOO_NOTE.replaceAll('\n', '\r\n'), /^the note has the control character U\+000D at byte 27$/);
    await refused(`é\t${FOO_NOTE}`, /U\+0009 at byte 2$/);
    await refused(concat(utf8('abc'), Uint8Array.of(0xff), utf8(FOO_NOTE)), /not UTF-8/);
    const [name, encoded] = ['example.com/foo', line.trim().split(' ')[2]];
    for (const bad of [
        '—',
        '— ',
        'text',
        `- ${name} ${encoded}`,
        `– ${name} ${encoded}`,
        `—${name} ${encoded}`,
        `—  ${name} ${encoded}`,
        ` — ${name} ${encoded}`,
        `— ${name}  ${encoded}`,
        `— ${name} ${encoded} `,
        `— ${name}`,
        `— ${name} `,
        `— ${encoded}`,
        `— ex+ample ${encoded}`,
        `— ex\u00a0ample ${encoded}`,
        `— ex\u0085ample ${encoded}`,
        `— ex\u3000ample ${encoded}`,
        `— ${name} ${encoded.replace('A', '-')}`,
        `— ${name} ${encoded.replace(/=+$/, '')}`,
        `— ${name} ${encoded}=`,
        `— ${name} ${encoded.replace('aQM=', 'aQN=')}`,
        `— ${name} AAAA`,
        `— ${name} Uw2QOg==`,
    ]) {
        await refused(`${text}\n${bad}\n${line}`, /^line 1 below the note's text is no signature line/);
        await refused(`${text}\n${line}${bad}\n`, /^line 2 below the note's text is no signature line/);
    }
});

test('verifier keys of another form are refused, and what may be a secret is not repeated', () => {
    const bytes = key(1).bytes;
    const encoded = FOO_KEY.split('+')[2];
    const vkey = (type, it) => verifierKeyText('example.org/log', it, type);
    const small = new Uint8Array(32);
    for (const [text, words] of [
        ['', /three parts/],
        ['example.com/foo', /three parts/],
        ['example.com/foo+530d903a', /three parts/],
        [`example.com/foo+530D903A+${encoded}`, /three parts/],
        [`example.com/foo+530d903+${encoded}`, /three parts/],
        [`example.com/f+oo+530d903a+${encoded}`, /three parts/],
        [FOO_KEY.replace('example.com/foo', 'a b'), /can't name a key/],
        [FOO_KEY.replace('example.com/foo', ''), /can't name a key/],
        [FOO_KEY.replace('example.com/foo', 'a\u2003b'), /can't name a key/],
        [FOO_KEY.replace(encoded, ''), /not the base64/],
        [`${FOO_KEY}=`, /not the base64/],
        [`${FOO_KEY}\n`, /not the base64/],
        [vkey(1, bytes.subarray(1)), /not the base64/],
        [vkey(1, concat(bytes, Uint8Array.of(0))), /not the base64/],
        [vkey(4, bytes), /of type 4, and only Ed25519/],
        [vkey(2, new Uint8Array(1312)), /of type 2/],
        [vkey(1, small), /not a usable Ed25519 public key/],
        ['example.org/log+73e6ba9b+AfD///////////////////////////////////////9/', /not a usable Ed25519 public key/],
        [FOO_KEY.replace('530d903a', '530d903b'), /for which it is 530d903a/],
        [FOO_KEY.replace('foo', 'bar'), /does not belong to this name and key/],
        ['-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n', /this is a private key/],
    ]) {
        assert.throws(
            () => parseVerifierKey(text),
            (error) => error.verdict === 'bad-input' && words.test(error.message) && !error.message.includes('MC4C'),
            text,
        );
    }
    for (const name of ['a', 'https://example.org', 'ключ', 'a_b']) parseVerifierKey(verifierKeyText(name, bytes));
});

const root = base64(new Uint8Array(32).fill(3));
const empty = base64(EMPTY_ROOT);
const NEXT = `${verifierKeyText('log.example.org/2027', key(9).bytes)} https://log.example.org/2027`;

test('a checkpoint is three lines, and extension lines that are not empty', () => {
    const parse = (text) => parseCheckpoint(text, 'o');
    assert.deepEqual(parse(`o\n7\n${root}\n`), {
        origin: 'o',
        size: 7n,
        root: new Uint8Array(32).fill(3),
        extensions: [],
        retirement: null,
    });
    assert.equal(parse(`o\n18446744073709551615\n${root}\n`).size, 2n ** 64n - 1n);
    assert.equal(parse(`o\n0\n${empty}\n`).size, 0n);
    assert.deepEqual(parse(`o\n7\n${root}\nfoo\nbar\n`).extensions, ['foo', 'bar']);
    assert.deepEqual(parse(`o\n7\n${root}\nretired\n`).retirement, { next: null });
    assert.equal(parse(`o\n7\n${root}\nretired ${NEXT}///\n`).retirement.next.url, 'https://log.example.org/2027');
    assert.equal(parse(`o\n7\n${root}\nretiredx\n`).retirement, null);
    for (const [text, words] of [
        ['o\n7\n', /at least three lines, and this one has 2/],
        [`p\n7\n${root}\n`, /^this is a checkpoint of "p", and not of o$/],
        ...['07', '-1', '+7', '7.0', '', ' 7', '0x7', '18446744073709551616', '1e3'].map((size) => [
            `o\n${size}\n${root}\n`,
            /second line is/,
        ]),
        ...[
            '',
            root.slice(1),
            `${root}=`,
            base64(new Uint8Array(31)),
            base64(new Uint8Array(33)),
            root.replace('=', ''),
        ].map((it) => [`o\n7\n${it}\n`, /third line is/]),
        [`o\n7\n${root}\n\nfoo\n`, /empty extension line/],
        [`o\n7\n${root}\n${'x\n'.repeat(17)}`, /or over 16/],
        [`o\n0\n${root}\n`, /the tree is empty/],
        [`o\n7\n${root}\nretired\nretired\n`, /says twice/],
        [`o\n7\n${root}\nretired ${NEXT} more\n`, /should be `retired`/],
        [`o\n7\n${root}\nretired key\n`, /should be `retired`/],
        [`o\n7\n${root}\nretired \n`, /should be `retired`/],
        [`o\n7\n${root}\nretired key https://x\n`, /next log's key is refused/],
        [`o\n7\n${root}\nretired ${NEXT.replace('https', 'ftp')}\n`, /next log's address/],
        [`o\n7\n${root}\nretired ${NEXT}${'x'.repeat(1024)}\n`, /next log's address/],
        [`o\n7\n${root}\nretired ${NEXT.replace('https://log.example.org/2027', 'https://')}\n`, /next log's address/],
    ]) {
        assert.throws(
            () => parse(text),
            (error) => error.verdict === 'refuted' && words.test(error.message),
            text,
        );
    }
    assert.equal(parse(`o\n7\n${root}\n${'x\n'.repeat(16)}`).extensions.length, 16);
});

test('a checkpoint is signed by the key of its log', async () => {
    const sofa = `example.com/log\n7\n${root}\n`;
    const note = `${sofa}\n${foot('example.com/log', 1, sofa)}`;
    const checkpoint = await verifyCheckpoint(note, keyOf('example.com/log', 1));
    assert.deepEqual([checkpoint.size, checkpoint.text], [7n, note]);
    await assert.rejects(verifyCheckpoint(note, keyOf('example.com/log', 2)), /and not by/);
    const other = `${sofa}\n${foot('example.com/other', 1, sofa)}`;
    await assert.rejects(verifyCheckpoint(other, keyOf('example.com/other', 1)), /and not of example.com\/other/);
});
