import assert from 'node:assert/strict';
import test from 'node:test';

import { utf8 } from '../src/bytes.js';
import { compareWithRelease, findFile, findFolder } from '../src/find.js';
import { LogClient } from '../src/log-client.js';
import { MemoryOnly } from '../src/memory.js';
import { manifestOf } from '../src/manifest.js';
import { digestOf, key, publisher, record, signed, TestLog, withdrawal } from './support.js';

const [one, two] = [1, 2].map(key);
const file = (path, text = path) => ({ path, size: text.length, digest: { sha256: digestOf(text) } });
const FILES = [file('README.md'), file('model.bin')];

/** A log in which two publishers release the same files, and the first of them others too. */
function twoLabs() {
    const log = new TestLog();
    log.append(signed(publisher('first-lab', [one]), one));
    log.append(signed(publisher('second-lab', [two]), two));
    log.own = log.release('first-lab/model@1', FILES, one);
    log.copy = log.release('second-lab/model@1', FILES, two);
    log.other = log.release('first-lab/model@2', [file('README.md'), file('model.bin', 'other')], one);
    return log;
}

const clientOf = (log, fetch = log.fetch) =>
    new LogClient({ url: 'http://log.test', key: log.key, fetch, memory: new MemoryOnly() });
const statementAt = (log, index) => record(JSON.parse(new TextDecoder().decode(log.entries[index]))).statement;
const is = (found, verdict, words) => {
    assert.equal(found.verdict, verdict, found.what);
    assert.match(found.what, words);
    return found;
};

test('a file is found in the releases that have it, and who came first counts', async () => {
    const log = twoLabs();
    const found = is(
        await findFile(clientOf(log), file('README.md').digest),
        'holds',
        /^it is README.md of first-lab\/model@1, which first-lab signed \(entry 2\)$/,
    );
    assert.deepEqual(
        found.releases.map(({ subject }) => subject.name),
        ['first-lab/model@1', 'second-lab/model@1', 'first-lab/model@2'],
    );
    is(
        await findFile(clientOf(log), { sha256: digestOf("nobody's") }),
        'unknown',
        /^the log lists no release with a file with the SHA-256 .*, which nobody can prove$/,
    );
    is(await findFile(clientOf(log), { ...file('README.md').digest, size: 1 }), 'refuted', /and it is another$/);
});

test('a folder is found by its manifest', async () => {
    const log = twoLabs();
    is(
        await findFolder(clientOf(log), [...FILES].reverse()),
        'holds',
        /^they are first-lab\/model@1, which first-lab signed \(entry 2\)$/,
    );
    is(
        await findFolder(clientOf(log), FILES.slice(1)),
        'unknown',
        /^the log lists no release with exactly these 1 files/,
    );
    await assert.rejects(async () => findFolder(clientOf(log), []), { name: 'Refusal' });
});

test('what the first publisher withdrew does not stand under another name', async () => {
    const log = twoLabs();
    log.append(signed(withdrawal('first-lab', 'first-lab/model@1', statementAt(log, log.own).digest, 'release'), one));
    is(
        await findFolder(clientOf(log), FILES),
        'unknown',
        /^first-lab\/model@1 \(entry 2\): the record is withdrawn by entry 5 .*; it stands as second-lab\/model@1, which second-lab signed later$/,
    );
    // The same file in a later release of the first publisher's is that publisher's word.
    is(await findFile(clientOf(log), file('README.md').digest), 'holds', /^it is README.md of first-lab\/model@2/);
    log.append(signed(withdrawal('second-lab', 'second-lab/model@1', statementAt(log, log.copy).digest), two));
    is(await findFolder(clientOf(log), FILES), 'refuted', /withdrawn by entry 5/);
});

test('what the log lists is proven: a release that does not have the file is refuted', async () => {
    const log = twoLabs();
    const sha256 = digestOf("nobody's");
    const says = (list, what) => log.lies.set(`/api/v1/${list}/`, utf8(JSON.stringify(what)));
    const listed = {
        release: 'first-lab/model@1',
        path: 'README.md',
        index: log.own,
        manifest: manifestOf(FILES).sha256,
    };
    says('files', { releases: [listed] });
    is(
        await findFile(clientOf(log), { sha256 }),
        'refuted',
        /^the log names README.md of first-lab\/model@1, entry 2, as that file, and it is another$/,
    );
    for (const [other, verdict, words] of [
        [{ ...listed, path: 'nothing' }, 'refuted', /and it is another/],
        [{ ...listed, release: 'second-lab/model@1' }, 'refuted', /and it is another/],
        [{ ...listed, index: 0 }, 'refuted', /entry 0 is a publisher record, and says nothing of files/],
        [{ ...listed, index: 99 }, 'unknown', /entry 99 is not in the tree/],
        [{ ...listed, index: '2' }, 'unknown', /list of releases with .* can't be read/],
        [null, 'unknown', /list of releases with .* can't be read/],
        [{ ...listed, path: 'x'.repeat(1e6), release: {} }, 'refuted', /^.{300,700}$/],
    ]) {
        says('files', { releases: [other] });
        is(await findFile(clientOf(log), file('README.md').digest), verdict, words);
    }
    // One that has no place could come to stand before the first.
    says('files', { releases: [{ ...listed, index: log.other, release: 'first-lab/model@2' }, { index: {} }, listed] });
    is(await findFile(clientOf(log), file('README.md').digest), 'unknown', /can't be read/);
    says('files', { releases: 5 });
    is(await findFile(clientOf(log), { sha256 }), 'unknown', /can't be read/);
    says('manifests', { records: [{ index: log.other }] });
    is(
        await findFolder(clientOf(log), FILES),
        'refuted',
        /the log names entry 4 as a release of these files, and it is none/,
    );
    log.lies.set('/api/v1/attachments/', utf8('another document'));
    says('files', { releases: [listed] });
    is(await findFile(clientOf(log), file('README.md').digest), 'unknown', /with bytes whose digest is/);
});

test('a document that rotted in a cache is fetched past it', async () => {
    const log = twoLabs();
    const rots = (url, { cache }) =>
        url.includes('/attachments/') && cache !== 'reload' ? new Response('rotten') : log.fetch(url);
    is(await findFile(clientOf(log, rots), file('README.md').digest), 'holds', /^it is README.md/);
});

test('a folder is held against the release that it should be, and how it differs is said', async () => {
    const log = twoLabs();
    const client = clientOf(log);
    is(await compareWithRelease(client, log.own, FILES), 'holds', /^2 of its 2 files are as first-lab\/model@1 lists them/);
    for (const index of [NaN, 0.5, -1, 2 ** 53])
        is(await compareWithRelease(client, index, FILES), 'unknown', /is no entry's index$/);
    const found = is(
        await compareWithRelease(client, log.own, [file('README.md', 'x'), file('extra')]),
        'refuted',
        /^these are not the files of first-lab\/model@1, by 3: changed: README.md, missing: model.bin, not listed: extra$/,
    );
    assert.deepEqual(found.differs, ['changed: README.md', 'missing: model.bin', 'not listed: extra']);
    is(
        await compareWithRelease(
            client,
            log.own,
            FILES.map((it) => ({ ...it, digest: { md5: '0'.repeat(32) } })),
        ),
        'unknown',
        /no strong digest/,
    );
});
