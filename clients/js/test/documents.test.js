import assert from 'node:assert/strict';
import test from 'node:test';

import { judgeBundle } from '../src/bundle.js';
import { parseBundle } from '../src/bundle-file.js';
import { base64, utf8 } from '../src/bytes.js';
import { listFolder, filesOfInput } from '../src/folder.js';
import { canonicalJson } from '../src/json.js';
import { checkStated, compareFolder, manifestOf, parseManifest } from '../src/manifest.js';
import { leafHash } from '../src/rfc6962.js';
import { parseVerifierKey } from '../src/signed-note.js';
import { judgeReceipt, parseReceipt, verifyReceipt } from '../src/tlog-proof.js';
import { card, digestOf, key, mth, path, publisher, readJson, RELEASE, signed, TestLog } from './support.js';

const file = (path, text = path) => ({ path, size: text.length, digest: { sha256: digestOf(text) } });

test("the manifest of the schemas' examples is the one that their weights record names", () => {
    const example = readJson('schemas/examples/manifest.json');
    const weights = readJson('schemas/examples/weights.json').predicate;
    const manifest = parseManifest(utf8(canonicalJson(example)));
    assert.equal(manifest.sha256, weights.manifest.digest.sha256);
    assert.equal(manifest.root, weights.root);
    checkStated(manifest, weights);
    for (const [field, value] of [
        ['files', 1],
        ['bytes', 1],
        ['root', digestOf('x')],
        ['algorithms', ['md5']],
    ]) {
        assert.throws(
            () => checkStated(manifest, { ...weights, [field]: value }),
            new RegExp(`^Refusal: /predicate/${field}: the statement says`),
        );
    }
});

test('the files of a folder become one manifest, whatever their order', () => {
    const files = ['b', 'a/x', 'a.txt', 'a/\u{1f600}', 'a/\uff5e', 'Z'].map((it) => file(it));
    const manifest = manifestOf(files);
    assert.deepEqual(manifestOf([...files].reverse()), manifest);
    assert.deepEqual(
        manifest.files.map((it) => it.path),
        ['Z', 'a.txt', 'a/x', 'a/\uff5e', 'a/\u{1f600}', 'b'],
    );
    assert.equal(digestOf(manifest.bytes), manifest.sha256);
    const read = parseManifest(manifest.bytes);
    assert.deepEqual(
        [read.sha256, read.root, JSON.stringify(read.files)],
        [manifest.sha256, manifest.root, canonicalJson(manifest.files)],
    );
    assert.equal(
        manifest.root,
        Buffer.from(mth(manifest.files.map((it) => leafHash(utf8(canonicalJson(it)))))).toString('hex'),
    );
    for (const bad of [
        [],
        [file('a'), file('a')],
        [file('a'), file('a/b')],
        [file('../a')],
        [{ path: 'a', digest: { md5: '0'.repeat(32) } }, file('b')],
    ]) {
        assert.throws(() => manifestOf(bad), { name: 'Refusal' });
    }
});

test('sizes are added up without losing any', () => {
    const huge = [
        { path: 'a', size: 2 ** 53, digest: { sha256: digestOf('a') } },
        { path: 'b', size: 1, digest: { sha256: digestOf('b') } },
    ];
    const manifest = manifestOf(huge);
    const stated = {
        manifest: { digest: { sha256: manifest.sha256 } },
        root: manifest.root,
        files: 2,
        algorithms: ['sha256'],
    };
    assert.throws(() => checkStated(manifest, { ...stated, bytes: 2 ** 53 }), /its manifest "9007199254740993"/);
    // Where 64 bits do not hold the sum, a statement has none.
    const many = manifestOf(Array.from({ length: 2049 }, (_, n) => ({ ...file(`${n}`), size: 2 ** 53 })));
    const none = {
        ...stated,
        manifest: { digest: { sha256: many.sha256 } },
        root: many.root,
        files: 2049,
        bytes: null,
    };
    checkStated(many, none);
    assert.throws(() => checkStated(many, { ...none, bytes: 1 }), /its manifest "null"/);
});

test('a folder is held against a manifest', () => {
    const manifest = manifestOf([
        file('same'),
        file('changed'),
        file('missing'),
        { path: 'weak', digest: { md5: '0'.repeat(32), sha256: digestOf('w') } },
        file('size'),
    ]);
    const found = [
        file('same'),
        file('changed', 'chunged'),
        { path: 'weak', size: 1, digest: { md5: '0'.repeat(32) } },
        { ...file('size'), size: 99 },
        file('extra'),
    ];
    assert.deepEqual(compareFolder(manifest, found), {
        same: 1,
        weak: ['weak'],
        notCompared: [],
        changed: ['changed', 'size'],
        missing: ['missing'],
        extra: ['extra'],
    });
    assert.deepEqual(compareFolder(manifest, [{ ...file('same'), digest: {} }]).notCompared, ['same']);
});

const asFile = (path, text) => ({ path, file: new File([text], path.split('/').at(-1)) });

test('what a release never lists is left out', async () => {
    const log = new TestLog();
    log.append(signed(publisher('example-lab', [key(1)]), key(1)));
    log.append(signed(card(), key(1)));
    const bundle = JSON.stringify(log.bundle([0, 1]));
    const all = [
        'README.md',
        '.git/HEAD',
        '.cache/huggingface/x',
        '.cache/other',
        '.candor-fetch/x',
        'sub/.git/HEAD',
        'sub/x.candor',
    ].map((it) => asFile(it, bundle));
    const { files, ignored } = await listFolder([
        ...all,
        asFile('tiny.candor', bundle),
        asFile('no.candor', '{}'),
        asFile('.git', 'gitdir: x'),
    ]);
    assert.deepEqual(ignored, ['.git/HEAD', '.cache/huggingface/x', '.candor-fetch/x', 'tiny.candor', '.git']);
    assert.deepEqual(
        files.map(({ path }) => path),
        ['README.md', '.cache/other', 'sub/.git/HEAD', 'sub/x.candor', 'no.candor'],
    );
});

test('chosen files have their paths in the folder that was chosen', () => {
    const inFolder = (path) =>
        Object.defineProperty(new File(['x'], path.split('/').at(-1)), 'webkitRelativePath', { value: path });
    const paths = (files) => filesOfInput(files).found.map(({ path }) => path);
    assert.deepEqual(paths([inFolder('tiny/a/b.txt'), inFolder('tiny/c')]), ['a/b.txt', 'c']);
    assert.equal(filesOfInput([inFolder('tiny/c')]).isFolder, true);
    const alone = Object.defineProperty(new File(['x'], 'c'), 'webkitRelativePath', { value: '' });
    assert.deepEqual(filesOfInput([alone]), { isFolder: false, found: [{ path: 'c', file: alone }] });
});

/** A log with a release in it. */
function releaseLog() {
    const log = new TestLog();
    log.pad(2);
    const lab = key(1);
    log.registration = log.append(signed(publisher('example-lab', [lab]), lab));
    log.card = log.append(signed(card(), lab));
    const files = [file('README.md'), file('model.bin')];
    log.manifest = manifestOf(files);
    log.weights = log.release(RELEASE, files, lab);
    return log;
}

test('a bundle shows a release, and nothing that is changed in it', async () => {
    const log = releaseLog();
    const bundle = log.bundle([log.registration, log.card, log.weights], { attachments: [log.manifest.bytes] });
    const judge = (it) => judgeBundle(utf8(JSON.stringify(it)), log.key);
    const good = await judge(bundle);
    assert.equal(good.verdict, 'holds', good.what);
    assert.equal(good.bundle.manifests.get(BigInt(log.weights)).root, log.manifest.root);
    assert.deepEqual(
        good.bundle.records.map(({ index }) => Number(index)),
        [2, 3, 4],
    );
    // Each byte of the file, each with another bit: what still verifies says the same as before.
    const text = utf8(JSON.stringify(bundle));
    const survivors = [];
    for (let at = 0; at < text.length; at += 3) {
        const other = text.slice();
        other[at] ^= 1 << (at % 8);
        const found = await judgeBundle(other, log.key);
        if (found.verdict === 'holds')
            survivors.push(new TextDecoder().decode(text.subarray(0, at)).split(/":"/).at(-2)?.slice(-9));
    }
    assert.ok(
        survivors.every((it) => it === 'mediaType'),
        survivors.join(),
    );
});

test('no text is made of the documents of a bundle to bring them into an order', async (t) => {
    const log = releaseLog();
    const documents = [log.manifest.bytes, utf8('# Tiny\n')];
    const bundle = log.bundle([log.registration, log.card, log.weights], { attachments: documents });
    // With as much as a bundle may hold, it would be longer than any text can be.
    const { prototype } = Object.getPrototypeOf(Uint8Array);
    const { toString } = prototype;
    t.after(() => (prototype.toString = toString));
    prototype.toString = () => assert.fail('a document becomes a text');
    const found = await judgeBundle(utf8(JSON.stringify(bundle)), log.key);
    assert.equal(found.verdict, 'holds', found.what);
});

test("records come in the log's order, documents are named, and a manifest is sorted", async () => {
    const log = releaseLog();
    const judge = async (change) => {
        const bundle = log.bundle([log.registration, log.card, log.weights], { attachments: [log.manifest.bytes] });
        change(bundle);
        return judgeBundle(utf8(JSON.stringify(bundle)), log.key);
    };
    for (const [change, words] of [
        [(it) => it.records.push(it.records[2]), /^record 4 of the log is out of order, or there twice$/],
        [(it) => it.records.splice(1, 2, it.records[2], it.records[1]), /^record 3 of the log is out of order/],
        [
            (it) => it.attachments.push({ sha256: digestOf('x'), mediaType: 'x', data: base64(utf8('x')) }),
            /no record of the bundle names a document of these bytes$/,
        ],
    ]) {
        const found = await judge(change);
        assert.deepEqual([found.verdict, words.test(found.what)], ['refuted', true], found.what);
    }
    const unsorted = utf8(
        canonicalJson({ files: [...log.manifest.files].reverse(), manifest: 'urn:candor:manifest:v1' }),
    );
    assert.throws(() => parseManifest(unsorted), /its files are not sorted by path/);
});

test('what is no bundle is bad input, and a wrong key too', async () => {
    const log = releaseLog();
    for (const bytes of [utf8(''), utf8('{}'), utf8('[]'), Uint8Array.of(0xff), utf8('{"bundle":1}')])
        assert.equal((await judgeBundle(bytes, log.key)).verdict, 'bad-input');
    const text = utf8(JSON.stringify(log.bundle([2, 3])));
    assert.equal((await judgeBundle(text, new TestLog(log.origin, key(51)).key)).verdict, 'bad-input');
    assert.equal((await judgeBundle(text, 'nonsense')).verdict, 'bad-input');
    assert.throws(() => parseBundle({ length: (128 << 20) + 1 }), /at most 134217728 are read/);
    // Half a megabyte of values, of which a value takes two bytes.
    assert.match((await judgeBundle(utf8(`{"records":[${'0,'.repeat(500_000)}0]}`), log.key)).what, /too many values/);
});

/** The example of C2SP tlog-proof, with signatures of the right form in place of its ellipses. */
const EXAMPLE = `c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

— example.com/fancylog ${base64(new Uint8Array(68).fill(7))}
`;

test('the example of the specification is read, and in another form it is refused by its line', () => {
    const { extra, index, path: hashes, checkpoint } = parseReceipt(EXAMPLE);
    assert.equal(new TextDecoder().decode(extra), 'age-v1.2.1-darwin-arm64.tar.gz');
    assert.deepEqual([index, hashes.length, checkpoint.split('\n')[0]], [73894n, 5, 'example.com/fancylog']);
    const third = 'EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=';
    const extraLine = 'extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6';
    for (const [from, to, words] of [
        ['@v1', '@v2', /^line 1 of the proof: a proof begins/],
        ['@v1\n', '@v1\r\n', /^line 1/],
        ...[
            'index 073894',
            'index -1',
            'index +1',
            'index 1.0',
            'index ',
            'index 7 ',
            'Index 7',
            '73894',
            'index 18446744073709551616',
            'extra AAAA',
        ].map((it) => ['index 73894', it, /^line 3 of the proof: it should be index/]),
        ...['extra ?', 'extra YW', 'extra YWdl=', 'extra -_--', `extra ${base64(new Uint8Array(65537))}`].map((it) => [
            extraLine,
            it,
            /^line 2 of the proof: behind extra/,
        ]),
        ...[third.slice(0, -1), third.replace('+', '-'), third.replace('1zs', '1zt'), `${third} `, 'index 1'].map(
            (it) => [third, it, /^line 6 of the proof: it should be the base64 of a 32-byte hash/],
        ),
        ['\n\n', '\n', /^line 9 of the proof/],
    ]) {
        const text = EXAMPLE.replace(from, to);
        assert.notEqual(text, EXAMPLE);
        assert.throws(
            () => parseReceipt(text),
            (error) => error.verdict === 'bad-input' && words.test(error.message),
            to,
        );
    }
    const withHashes = (count) =>
        `c2sp.org/tlog-proof@v1\nindex 1\n${`${third}\n`.repeat(count)}\nexample.com/fancylog\n`;
    assert.equal(parseReceipt(withHashes(64)).path.length, 64);
    assert.throws(
        () => parseReceipt(withHashes(65)),
        /^Refusal: line 67 of the proof: no inclusion proof has over 64 hashes/,
    );
    for (const text of ['', 'c2sp.org/tlog-proof@v1\n', EXAMPLE.split('\n\n')[0]])
        assert.throws(() => parseReceipt(text), /^Refusal: line 1 of the proof: the proof ends/);
    assert.throws(() => parseReceipt('x'.repeat(1_000_000)), /more than any proof/);
});

test('a receipt is for its entry at its index in its log', async () => {
    const log = releaseLog();
    const verifier = parseVerifierKey(log.key);
    const receipt = (index, size = log.entries.length, of = index) =>
        `c2sp.org/tlog-proof@v1\nindex ${index}\n${path(of, log.leaves(size))
            .map((it) => `${base64(it)}\n`)
            .join('')}\n${log.checkpoint(size)}`;
    const entry = log.entries[log.card];
    const { index, checkpoint } = await verifyReceipt(receipt(log.card), entry, verifier);
    assert.deepEqual([index, checkpoint.size], [3n, 5n]);
    const refused = (text, words, bytes = entry, by = verifier) =>
        assert.rejects(verifyReceipt(text, bytes, by), words);
    await refused(receipt(log.card), /the entry is not at index 3 of the log/, log.entries[log.weights]);
    await refused(receipt(log.weights, 5, log.card), /the entry is not at index 4 of the log/);
    await refused(receipt(log.card, 4), /the entry is not at index 3/, log.entries[0]);
    await refused(
        receipt(2, 3).replace('index 2', 'index 3'),
        /the proof is about entry 3, and its checkpoint's tree has 3 entries/,
    );
    await refused(
        receipt(log.card),
        /its checkpoint does not hold/,
        entry,
        parseVerifierKey(new TestLog(log.origin, key(51)).key),
    );
    const judged = await judgeReceipt(receipt(log.card), entry, log.key);
    assert.deepEqual([judged.verdict, judged.isInLog], ['unknown', true]);
    assert.match(judged.what, /is in the log, at entry 3; the signature is not checked/);
    assert.equal((await judgeReceipt(receipt(log.card), log.entries[log.weights], log.key)).verdict, 'refuted');
    assert.equal((await judgeReceipt('x', entry, log.key)).verdict, 'bad-input');
});
