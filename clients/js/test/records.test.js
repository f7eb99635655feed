import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';

import { stateAfter, verifyRecord } from '../src/authority.js';
import { base64, fromHex, utf8 } from '../src/bytes.js';
import { entryOf, envelopeFromJson, parseEnvelope, signedBytes } from '../src/envelope.js';
import { canonicalJson, parseJson } from '../src/json.js';
import { KINDS } from '../src/kinds.js';
import { isFilePath, isPlainText, isPublisherName, isReleaseName, publisherOf } from '../src/names.js';
import { parseStatement } from '../src/statement.js';
import {
    aboutItself,
    attachment,
    card,
    digestOf,
    envelopeJson,
    key,
    publisher,
    readJson,
    record,
    RELEASE,
    signed,
    statement,
    withdrawal,
} from './support.js';

const refused = (check, words) =>
    assert.throws(check, (error) => error.verdict === 'refuted' && words.test(error.message));

test('names that could be taken for others are refused', () => {
    for (const name of [
        'meta-ai/opt-125m@1.0.0',
        'eleutherai/pythia-6.9b@step143000',
        'a/b@c',
        'x/y_z.w@2026-05-01+r1',
    ])
        assert.ok(isReleaseName(name), name);
    for (const name of [
        '',
        'meta-ai',
        'meta-ai/opt',
        'meta-ai@1',
        'Meta-AI/opt@1',
        'm\u0435ta-ai/opt@1',
        'meta-ai/opt\u200b@1',
        'meta-ai/opt@1\n',
        '-meta/opt@1',
        'meta-ai/../opt@1',
        'meta-ai/.opt@1',
        'meta-ai/opt@',
        'a/b/c@1',
        'a/b@c@d',
        'meta_ai/opt@1',
        ' a/b@1',
        5,
        null,
    ]) {
        assert.equal(isReleaseName(name), false, String(name));
    }
    assert.ok(isPublisherName('a'.repeat(64)) && !isPublisherName('a'.repeat(65)) && !isPublisherName('a-'));
    assert.ok(
        isReleaseName(`a/${'m'.repeat(96)}@${'1'.repeat(64)}`) &&
            !isReleaseName(`a/${'m'.repeat(97)}@1`) &&
            !isReleaseName(`a/m@${'1'.repeat(65)}`),
    );
    assert.equal(publisherOf('meta-ai/opt-125m@1.0.0'), 'meta-ai');
});

test('paths that lead elsewhere or look like others are refused', () => {
    for (const path of [
        '',
        '/etc/passwd',
        '../x',
        'a/../b',
        'a//b',
        'a/./b',
        'a/',
        './a',
        'a\\b',
        'c:/x',
        'a\nb',
        'a\0b',
        'a\u202eb',
        'a\u200bb',
        'e\u0301.txt',
        'a\u{e0001}b',
        'x'.repeat(4097),
        'é'.repeat(2049),
    ]) {
        assert.equal(isFilePath(path), false, JSON.stringify(path));
    }
    for (const path of [
        'a',
        'a/b.safetensors',
        '..a',
        'a..b/...',
        '\u00e9.txt',
        '1_Pooling/config.json',
        'a b',
        'é:x',
        'x'.repeat(4096),
    ])
        assert.ok(isFilePath(path), path);
    assert.ok(
        isPlainText('a\u00e9\u{1f600}') && !isPlainText('\u007f') && !isPlainText('\u0085') && !isPlainText('\ufeff'),
    );
});

const examples = readdirSync(new URL('../../../schemas/examples/', import.meta.url)).filter(
    (name) => name !== 'manifest.json',
);

test('the examples of the schemas are read', () => {
    assert.ok(examples.length >= 11);
    const kinds = new Set();
    for (const name of examples) {
        const json = readJson(`schemas/examples/${name}`);
        const read = parseStatement(utf8(canonicalJson(json)));
        kinds.add(read.kind);
        assert.equal(json.predicateType, `urn:candor:${read.kind}:v1`);
        assert.equal(read.subject.name, json.subject[0].name);
        assert.equal(read.digest, digestOf(canonicalJson(json)));
    }
    assert.deepEqual([...kinds].sort(), Object.keys(KINDS).sort());
});

/** The example, changed, its subject made to fit again where it is its own. */
function changed(name, change) {
    const json = readJson(`schemas/examples/${name}.json`);
    change(json.predicate, json);
    if (['publisher', 'api-version'].includes(name.replace('-undisclosed', '')))
        json.subject[0].digest.sha256 = digestOf(canonicalJson(json.predicate));
    return utf8(canonicalJson(json));
}

test('fields that nobody knows are ignored, and mean nothing', () => {
    for (const name of [
        'publisher',
        'model-card',
        'weights',
        'training-config',
        'api-version',
        'evaluation',
        'withdrawal',
    ]) {
        const read = parseStatement(changed(name, (it) => (it.somethingNew = [1, { a: null }])));
        assert.equal(read.kind, name);
    }
    // A card does not become somebody else's by an author, nor weights a document's.
    const author = parseStatement(changed('model-card', (it) => (it.author = 'somebody-else')));
    assert.equal(author.publisher, publisherOf(author.release));
    parseStatement(changed('weights', (it) => (it.document = attachment('x', utf8('other')))));
});

test('null stands for what may be missing, and for no list and no free object', () => {
    parseStatement(changed('model-card', (it) => (it.license = null)));
    parseStatement(
        changed('weights', (it) => Object.assign(it, { chunks: null, tensors: null, format: null, source: null })),
    );
    for (const [name, field] of [
        ['model-card', 'tags'],
        ['weights', 'annotations'],
        ['weights', 'parents'],
        ['training-config', 'hyperparameters'],
        ['weights', 'manifest'],
        ['weights', 'files'],
    ]) {
        refused(
            () => parseStatement(changed(name, (it) => (it[field] = null))),
            new RegExp(`^/predicate: what is at /${field} is missing`),
        );
    }
});

test('a predicate with anything of another type is refused, by where it is', () => {
    for (const [name, change, where] of [
        ['publisher', (it) => (it.displayName = 5), '/displayName'],
        ['publisher', (it) => (it.keys[0].keyid = 'x'), '/keys/0/keyid'],
        ['publisher', (it) => (it.keys[0].keyid = 'a'.repeat(64)), '/keys/0/keyid'],
        ['publisher', (it) => (it.keys[0].algorithm = 'rsa'), '/keys/0/algorithm'],
        ['publisher', (it) => (it.keys[0].publicKey = 'AAAA'), '/keys/0/publicKey'],
        ['publisher', (it) => (it.keys = it.keys[0]), '/keys'],
        ['publisher', (it) => (it.previous = 'x'), '/previous'],
        ['model-card', (it) => (it.document.size = -1), '/document/size'],
        ['model-card', (it) => (it.document.size = 1.5), '/document/size'],
        ['model-card', (it) => (it.document.digest = {}), '/document/digest/sha256'],
        ['model-card', (it) => (it.languages = 'en'), '/languages'],
        ['model-card', (it) => delete it.results[0].metrics[0].value, '/results/0/metrics/0/value'],
        ['weights', (it) => (it.algorithms = ['crc32']), '/algorithms/0'],
        ['weights', (it) => (it.strength = 'Strong'), '/strength'],
        ['weights', (it) => (it.root = it.root.toUpperCase()), '/root'],
        ['weights', (it) => (it.bytes = '5'), '/bytes'],
        ['training-config', (it) => (it.data[0].digest = {}), '/data/0/digest'],
        ['training-config', (it) => (it.data[0].digest = { sha256: 'ab' }), '/data/0/digest'],
        ['training-config', (it) => (it.hardware.count = true), '/hardware/count'],
        ['api-version', (it) => (it.behind = 'secret'), '/behind'],
        ['api-version', (it) => (it.behind = { release: 'x' }), '/behind/release'],
        ['api-version', (it) => (it.decoding = { topK: 1.5 }), '/decoding/topK'],
        ['api-version', (it) => (it.systemPrompt = 'nothing'), '/systemPrompt'],
        ['evaluation', (it) => (it.author = 'A'), '/author'],
        ['evaluation', (it) => (it.results[0].value = '0.5'), '/results/0/value'],
        ['evaluation', (it) => (it.outcome = 'refuted'), '/outcome'],
        ['withdrawal', (it) => (it.scope = 'all'), '/scope'],
        ['withdrawal', (it) => (it.reason = 'mood'), '/reason'],
    ]) {
        refused(
            () => parseStatement(changed(name, change)),
            new RegExp(`^/predicate: what is at ${where} is missing, or not what a ${name} record`),
        );
    }
});

test('a whole number is written as one where things are counted, and in any way where they are measured', () => {
    const text = new TextDecoder().decode(changed('weights', (it) => (it.files = 7)));
    for (const files of ['7.0', '7e0', '70e-1'])
        refused(() => parseStatement(utf8(text.replace('"files":7', `"files":${files}`))), /\/files is missing/);
    const evaluation = new TextDecoder().decode(changed('evaluation', (it) => (it.results[0].value = 77)));
    for (const value of ['7', '7.0', '7e0', '-0', '0.5'])
        parseStatement(utf8(evaluation.replace('"value":77', `"value":${value}`)));
});

test('the rules that no schema can express hold', () => {
    const other = digestOf('another');
    for (const [name, change, words] of [
        [
            'model-card',
            (_, it) => (it.subject[0].digest.sha256 = other),
            /must be the digest of the attachment at \/predicate\/document/,
        ],
        [
            'training-config',
            (_, it) => (it.subject[0].digest.sha256 = other),
            /must be the digest of the attachment at \/predicate\/document/,
        ],
        [
            'weights',
            (_, it) => (it.subject[0].digest.sha256 = other),
            /must be the digest of the attachment at \/predicate\/manifest/,
        ],
        ['model-card', (it) => (it.document.name = 'a\u202eb'), /the attachment's name .* can't be shown/],
        ['publisher', (it) => (it.displayName = 'a\nb'), /\/predicate\/displayName: the name can't be shown/],
        ['publisher', (it) => (it.keys = []), /a publisher has at least one key/],
        ['weights', (it) => (it.strength = 'weak'), /"strong" if and only if/],
        ['weights', (it) => (it.algorithms = ['md5']), /"strong" if and only if/],
        ['evaluation-reproduced', (it) => delete it.answers, /names the record that it answers/],
        ['api-version', (it) => (it.validUntil = it.validFrom), /must be later than validFrom/],
        ['api-version', (it) => (it.validUntil = 'x'), /must be later than validFrom/],
        ['weights-quantized', (it, json) => (it.parents[0].release = json.subject[0].name), /is not made from itself/],
        ['weights-quantized', (it) => it.parents.push(it.parents[0]), /twice/],
        [
            'withdrawal',
            (it) => Object.assign(it, { scope: 'release', author: 'somebody-else' }),
            /only the publisher of a release withdraws all of it/,
        ],
        ['model-card', (_, it) => (it._type = 'https://in-toto.io/Statement/v0.1'), /^\/_type/],
        ['model-card', (_, it) => (it.predicateType = 'urn:candor:model-card:v2'), /^\/predicateType/],
        ['model-card', (_, it) => (it.predicateType = 'urn:candor:constructor:v1'), /^\/predicateType/],
        ['model-card', (_, it) => it.subject.push(it.subject[0]), /^\/subject: a record is about exactly one subject/],
        ['model-card', (_, it) => (it.subject = it.subject[0]), /^\/subject/],
        ['model-card', (_, it) => (it.subject[0].name = 'x'), /^\/subject\/0\/name/],
        ['model-card', (_, it) => (it.subject[0].digest.sha256 = 'X'), /^\/subject\/0\/digest\/sha256/],
        ['publisher', (_, it) => (it.subject[0].name = RELEASE), /^\/subject\/0\/name: .* is no name of a publisher/],
    ]) {
        refused(() => parseStatement(changed(name, change)), words);
    }
    refused(
        () => parseStatement(aboutItself('publisher', 'lab', {}).subarray(0, 20)),
        /^the payload is not strict JSON/,
    );
    refused(() => parseStatement(utf8('[]')), /^\/: a statement is an object/);
    refused(
        () => parseStatement(statement('publisher', 'lab', digestOf('x'), { displayName: 'x', keys: [key(1).json] })),
        /must be the SHA-256 of the predicate/,
    );
});

test('an envelope has one canonical form, whatever it looked like', () => {
    const good = signed(card(), key(1));
    const bytes = entryOf(envelopeFromJson(good));
    const loose = {
        ...good,
        extra: 1,
        payload: good.payload.replaceAll('+', '-').replaceAll('/', '_').replace(/=*$/, ''),
        signatures: [{ ...good.signatures[0], cert: 'x' }],
    };
    assert.deepEqual(entryOf(envelopeFromJson(parseJson(utf8(JSON.stringify(loose, null, 2))))), bytes);
    assert.equal(new TextDecoder().decode(bytes), canonicalJson(good));
    assert.equal(
        new TextDecoder().decode(signedBytes(utf8('hello'))),
        'DSSEv1 28 application/vnd.in-toto+json 5 hello',
    );
    for (const [change, words] of [
        [(it) => [it], /^\/: a DSSE envelope/],
        [({ payload, ...it }) => it, /^\/payload: the base64/],
        [(it) => ({ ...it, payload: '?' }), /^\/payload: the base64/],
        [(it) => ({ ...it, payload: 'A'.repeat(65536) }), /^\/payload: it has 65536 characters/],
        [(it) => ({ ...it, payloadType: 'text/plain' }), /^\/payloadType: it is "text\/plain"/],
        [({ payloadType, ...it }) => it, /^\/payloadType: a text is required/],
        [(it) => ({ ...it, signatures: {} }), /^\/signatures: a list/],
        [(it) => ({ ...it, signatures: [] }), /^\/signatures: 1 to 20/],
        [(it) => ({ ...it, signatures: Array(21).fill(it.signatures[0]) }), /^\/signatures: 1 to 20/],
        [(it) => ({ ...it, signatures: [{ keyid: 5, sig: '' }] }), /^\/signatures\/0\/keyid/],
        [(it) => ({ ...it, signatures: [{ keyid: 'é'.repeat(129), sig: '' }] }), /^\/signatures\/0\/keyid/],
        [(it) => ({ ...it, signatures: [{ keyid: 'x' }] }), /^\/signatures\/0\/sig/],
        [(it) => ({ ...it, signatures: ['x'] }), /^\/signatures\/0\/sig/],
        [(it) => ({ ...it, signatures: [{ sig: 'AAB=' }] }), /^\/signatures\/0\/sig/],
    ]) {
        refused(() => envelopeFromJson(change(good)), words);
    }
    assert.throws(
        () => parseEnvelope(utf8('{')),
        (error) => error.verdict === 'bad-input' && /^the envelope is not strict JSON/.test(error.message),
    );
    assert.throws(() => parseEnvelope(utf8(' '.repeat(131071))), /at most 131070 are read/);
});

const [one, two, three, stranger] = [1, 2, 3, 9].map(key);

/** What the log says of a publisher after each of these `publisher` records: [keys, signers]. */
async function stateOf(name, ...steps) {
    let state;
    for (const [n, [keys, signers]] of steps.entries()) {
        const verified = await verifyRecord(record(signed(publisher(name, keys, state?.record), ...signers)), state);
        state = stateAfter(state, verified, BigInt(10 * n + 4));
    }
    return state;
}
const mustRefuse = (json, state, words) =>
    assert.rejects(
        verifyRecord(record(json), state),
        (error) => error.verdict === 'refuted' && words.test(error.message),
    );
const withSignatures = (...signatures) =>
    envelopeJson(
        card(),
        signatures.map(([keyid, sig]) => ({ keyid, sig: base64(sig) })),
    );
const sigOf = (it) => it.sign(signedBytes(card()));

test('a registration is signed by every key that it lists', async () => {
    const state = await stateOf('example-lab', [
        [one, two],
        [one, two],
    ]);
    assert.deepEqual(
        state.keys.map(({ keyid }) => keyid),
        [one.keyid, two.keyid],
    );
    await mustRefuse(
        signed(publisher('example-lab', [one, two]), one),
        undefined,
        /^the key .* is new, and has not signed this record itself$/,
    );
    await mustRefuse(signed(publisher('example-lab', [one, one]), one), undefined, /is listed twice/);
    await mustRefuse(
        signed(publisher('example-lab', [one], digestOf('x')), one),
        undefined,
        /and example-lab has no record yet/,
    );
    await mustRefuse(signed(card(), one), undefined, /no publisher example-lab is registered/);
});

test('keys follow from the record before, and a key that was taken off never comes back', async () => {
    const first = await stateOf('example-lab', [[one], [one]]);
    const second = await stateOf('example-lab', [[one], [one]], [[two], [one, two]]);
    await verifyRecord(record(signed(card(), two)), second);
    await mustRefuse(
        signed(card(), one),
        second,
        new RegExp(`^the key ${one.keyid} is no longer a key of example-lab: entry 14 took it off the list$`),
    );
    await mustRefuse(signed(card(), two), first, /^none of the signatures is by a key of example-lab/);
    const rotate = (keys, previous, ...signers) => signed(publisher('example-lab', keys, previous), ...signers);
    await mustRefuse(rotate([two], first.record, one), first, /is new, and has not signed/);
    await mustRefuse(rotate([two], first.record, two), first, /none of the signatures is by a key/);
    await mustRefuse(rotate([two], digestOf('x'), one, two), first, /is registered already: its newest record is/);
    await mustRefuse(rotate([two], undefined, one, two), first, /and this one follows none/);
    await mustRefuse(
        rotate([one, two], second.record, one, two),
        second,
        /was taken off the list by entry 14, and can't come back/,
    );
    await mustRefuse(rotate([two, three, two], second.record, two, three), second, /is listed twice/);
    const third = await stateOf(
        'example-lab',
        [[one], [one]],
        [[two], [one, two]],
        [
            [two, three],
            [two, three],
        ],
    );
    assert.deepEqual(
        third.retired.map(({ keyid, at }) => [keyid, at]),
        [[one.keyid, 14n]],
    );
});

test('a key ID is only a hint, and one that names a right key binds', async () => {
    const state = await stateOf('example-lab', [
        [one, two],
        [one, two],
    ]);
    const good = sigOf(one);
    for (const hint of ['', 'release key 2022', stranger.keyid, one.keyid.toUpperCase(), one.keyid]) {
        const verified = await verifyRecord(record(withSignatures([hint, good])), state);
        assert.deepEqual(
            verified.signedBy.map(({ keyid }) => keyid),
            [one.keyid],
        );
    }
    await verifyRecord(
        record(envelopeJson(card(), [{ sig: base64(good) }, { keyid: null, sig: base64(sigOf(stranger)) }])),
        state,
    );
    const flipped = good.slice();
    flipped[3] ^= 1;
    for (const [sig, words] of [
        [flipped, /does not hold: it is not over this payload by this key$/],
        [sigOf(two), /does not hold: it is not over this payload/],
        [good.subarray(0, 63), /does not hold: it has 63 bytes instead of 64$/],
        [new Uint8Array(64).fill(255), /does not hold: its S is not below the order/],
    ]) {
        await mustRefuse(withSignatures([one.keyid, sig]), state, words);
        await mustRefuse(withSignatures([two.keyid, sigOf(two)], [one.keyid, sig]), state, words);
    }
    await mustRefuse(
        withSignatures([stranger.keyid, sigOf(stranger)]),
        state,
        /none of the signatures is by a key of example-lab \(key ids on the record: [0-9a-f]{64}\)$/,
    );
    // Two that name each other's key.
    await mustRefuse(withSignatures([one.keyid, sigOf(two)], [two.keyid, sigOf(one)]), state, /does not hold/);
});

test("a withdrawal is its author's, and an evaluation too", async () => {
    const state = await stateOf('auditor', [[three], [three]]);
    const payload = withdrawal('auditor', RELEASE, digestOf('x'));
    assert.equal(record(signed(payload, three)).statement.publisher, 'auditor');
    await verifyRecord(record(signed(payload, three)), state);
    await mustRefuse(signed(payload, one), state, /none of the signatures/);
});

test('a key that is no usable point can not be listed', () => {
    for (const point of ['00'.repeat(32), `01${'00'.repeat(31)}`, 'ff'.repeat(32), `02${'00'.repeat(31)}`]) {
        const der = fromHex(`302a300506032b6570032100${point}`);
        const json = { keyid: digestOf(der), algorithm: 'ed25519', publicKey: base64(der) };
        const payload = aboutItself('publisher', 'example-lab', { displayName: 'x', keys: [json] });
        refused(() => parseStatement(payload), /what is at \/keys\/0\/publicKey/);
    }
    // The right bytes with something behind them, and another algorithm's.
    const der = fromHex(`302a300506032b6570032100${Buffer.from(one.bytes).toString('hex')}`);
    for (const other of [
        [...der, 0],
        [...der.subarray(0, 8), 0x71, ...der.subarray(9)],
    ].map((it) => Uint8Array.from(it))) {
        const json = { keyid: digestOf(other), algorithm: 'ed25519', publicKey: base64(other) };
        refused(
            () => parseStatement(aboutItself('publisher', 'example-lab', { displayName: 'x', keys: [json] })),
            /\/keys\/0\/publicKey/,
        );
    }
});
