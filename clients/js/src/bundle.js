/**
 * A bundle, checked with the log's key alone.
 *
 *     checkpoint ──log key──► root ──► each entry is in its tree ──► replay of the publishers' keys ──► records
 *                                                                      attachments, manifests, lists ◄──┘
 */

import { stateAfter, verifyRecord } from './authority.js';
import { parseBundle } from './bundle-file.js';
import { fromBase64, hex } from './bytes.js';
import { ENTRY_BYTES_MAX, entryOf, envelopeFromJson, recordOf } from './envelope.js';
import { isOncePerRelease } from './kinds.js';
import { parseChunkList, parseTensorList } from './lists.js';
import { checkStated, parseManifest } from './manifest.js';
import { badInput, refuted, Refusal } from './refusal.js';
import { leafHash, verifyInclusion } from './rfc6962.js';
import { sha256 } from './sha256.js';
import { isCarriedBy, refutedParents, releaseWithdrawnBy, withdrawnBy, withdrawnWords } from './standing.js';
import { parseVerifierKey } from './signed-note.js';
import { checkpointGist, verifyCheckpoint } from './tlog-checkpoint.js';

/**
 * @typedef {import('./standing.js').LoggedRecord} LoggedRecord
 *
 * What a bundle proves: the tree that all the records are in, the records in the order of the log, documents by their
 * SHA-256, and the manifests and lists among them by the index of the `weights` record that they are of.
 * @typedef {{
 *   release: string, checkpoint: import('./tlog-checkpoint.js').Checkpoint, records: LoggedRecord[],
 *   attachments: Map<string, Uint8Array>, manifests: Map<bigint, import('./manifest.js').Manifest>,
 *   chunkLists: Map<bigint, Map<string, Uint8Array[]>>, tensorLists: Map<bigint, any[]>,
 * }} VerifiedBundle
 */

/**
 * Checks everything in a bundle against the log's key. In the order of the log: each entry is in the checkpoint's tree,
 * is a record, and is signed by keys that its publisher's records before it list.
 * @param {any} bundle as `parseBundle` returns it
 * @param {import('./signed-note.js').VerifierKey} key @returns {Promise<VerifiedBundle>}
 */
export async function verifyBundle(bundle, key) {
    const checkpoint = await verifyCheckpoint(bundle.checkpoint, key).catch((error) => {
        const within = error.within('its checkpoint does not hold: ');
        // The key that it was held against may be the wrong one, which is no fault of the file.
        throw error.isOtherKey
            ? badInput(within.message, 'check that the key is that of the log that the bundle is from')
            : within;
    });
    const publishers = new Map();
    /** @type {LoggedRecord[]} */
    const records = [];
    for (const bundled of bundle.records) {
        const index = BigInt(bundled.index);
        const last = records.at(-1);
        if (last && last.index >= index) throw refuted(`record ${index} of the log is out of order, or there twice`);
        const record = await verifyBundled(bundled, index, checkpoint, publishers);
        const { publisher } = record.statement;
        publishers.set(publisher, stateAfter(publishers.get(publisher), record, index));
        records.push({ index, ...record });
    }
    if (!records.some(({ statement }) => statement.release === bundle.release)) {
        throw refuted(`the bundle says to be about ${bundle.release}, and has no record of it`);
    }
    const attachments = readAttachments(bundle.attachments ?? []);
    checkOncePerRelease(records);
    checkNamed(records, attachments);
    return { release: bundle.release, checkpoint, records, attachments, ...readLists(records, attachments) };
}

/**
 * @param {any} bundled
 * @param {bigint} index
 * @param {import('./tlog-checkpoint.js').Checkpoint} checkpoint
 * @param {Map<string, any>} publishers
 */
async function verifyBundled({ entry: json, proof }, index, { size, root }, publishers) {
    const at = `entry ${index}: `;
    const envelope = within(at, () => envelopeFromJson(json));
    const entry = entryOf(envelope);
    if (entry.length > ENTRY_BYTES_MAX) {
        throw badInput(
            `this is not a bundle: the entry has ${entry.length} bytes, and the log takes at most ${ENTRY_BYTES_MAX}`,
        );
    }
    if (index >= size)
        throw refuted(`the proof is about entry ${index}, and its checkpoint's tree has ${size} entries`);
    const path = proof.map(fromBase64);
    within(`the entry is not at index ${index} of the log: `, () =>
        verifyInclusion({ index, size, leaf: leafHash(entry), path, root }),
    );
    const record = within(at, () => recordOf(envelope));
    return verifyRecord(record, publishers.get(record.statement.publisher)).catch((error) => {
        throw error.within(at);
    });
}

/** @template T @param {string} where @param {() => T} check @returns {T} */
function within(where, check) {
    try {
        return check();
    } catch (error) {
        throw error instanceof Refusal ? error.within(where) : error;
    }
}

/** @param {{ sha256: string, data: string }[]} listed */
function readAttachments(listed) {
    /** @type {Map<string, Uint8Array>} */
    const attachments = new Map();
    for (const { sha256: stated, data } of listed) {
        const bytes = fromBase64(data);
        if (!bytes) throw refuted(`attachment ${stated}: its data is not base64`);
        const actual = hex(sha256(bytes));
        if (actual !== stated) throw refuted(`attachment ${stated}: its bytes have the digest ${actual}`);
        attachments.set(actual, bytes);
    }
    return attachments;
}

/**
 * What the log promises of releases: one card, one weights record, and so on.
 * @param {LoggedRecord[]} records
 */
function checkOncePerRelease(records) {
    const seen = new Map();
    for (const {
        index,
        statement: { kind, release },
    } of records) {
        if (!isOncePerRelease(kind)) continue;
        const name = `${kind} records of ${release}`;
        if (seen.has(name)) throw refuted(`entries ${seen.get(name)} and ${index} are both ${name}, which has one`);
        seen.set(name, index);
    }
}

/**
 * Each document is one that a record names. A bundle may leave documents out.
 * @param {LoggedRecord[]} records
 * @param {Map<string, Uint8Array>} attachments
 */
function checkNamed(records, attachments) {
    const named = new Set(
        records.flatMap(({ statement }) => statement.attachments.map((it) => `${it.sha256} ${it.size}`)),
    );
    // By their names alone: what is sorted is made a text of, and documents are long.
    for (const digest of [...attachments.keys()].sort()) {
        const { length } = /** @type {Uint8Array} */ (attachments.get(digest));
        if (!named.has(`${digest} ${length}`))
            throw refuted(`attachment ${digest}: no record of the bundle names a document of these bytes`);
    }
}

/**
 * The manifests and lists that came along, each of which must be what its statement says.
 * @param {LoggedRecord[]} records
 * @param {Map<string, Uint8Array>} attachments
 */
function readLists(records, attachments) {
    const [manifests, chunkLists, tensorLists] = [new Map(), new Map(), new Map()];
    const weights = records.filter(({ statement }) => statement.kind === 'weights');
    const document = (/** @type {any} */ attachment) => attachment && attachments.get(attachment.digest.sha256);
    for (const {
        index,
        statement: { predicate },
    } of weights) {
        const bytes = document(predicate.manifest);
        if (!bytes) continue;
        within(`entry ${index}: its manifest: `, () => {
            const manifest = parseManifest(bytes);
            checkStated(manifest, predicate);
            manifests.set(index, manifest);
        });
    }
    for (const {
        index,
        statement: { predicate },
    } of weights) {
        const manifest = manifests.get(index);
        const [chunks, tensors] = [document(predicate.chunks?.list), document(predicate.tensors?.list)];
        within(`entry ${index}: its manifest: `, () => {
            if (manifest && chunks) chunkLists.set(index, parseChunkList(chunks, predicate.chunks, manifest));
            if (manifest && tensors) tensorLists.set(index, parseTensorList(tensors, predicate.tensors, manifest));
        });
    }
    return { manifests, chunkLists, tensorLists };
}

/**
 * What a bundle comes to: verified, with what was withdrawn, and with parents that are not as they are named. Like
 * `candor verify FILE`, with nobody to ask.
 * @param {Uint8Array} bytes @param {string} logKey `origin+id+key`
 */
export async function judgeBundle(bytes, logKey) {
    try {
        const verified = await verifyBundle(parseBundle(bytes), parseVerifierKey(logKey));
        const { release, checkpoint, records } = verified;
        const about = records.filter(({ statement }) => statement.release === release);
        const findings = [...withdrawals(release, about), ...refutedParents(release, records)];
        const shown = { release, checkpoint: checkpointGist(checkpoint), bundle: verified };
        if (findings.length) {
            return {
                verdict: 'refuted',
                what: findings[0],
                detail: findings.join('\n'),
                hint: "don't use it",
                ...shown,
            };
        }
        if (!about.some(({ statement }) => isOncePerRelease(statement.kind))) {
            const what = `no record by ${release.split('/')[0]} says what ${release} is: others may say of any name what they like`;
            return { verdict: 'unknown', what, detail: what, hint: 'ask the log for all of it', ...shown };
        }
        return {
            verdict: 'holds',
            what: `${about.length} record${about.length === 1 ? '' : 's'} of ${release} in the log, at ${about.map(({ index }) => index).join(', ')}, signed by those who had to`,
            detail: `not checked: whether anything was withdrawn, or a key taken off its list, that the bundle leaves out or that came after the checkpoint's ${checkpoint.size} entries`,
            hint: '',
            ...shown,
        };
    } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return {
            verdict: error.verdict,
            what: error.message,
            detail: error.message,
            hint: error.hint,
            checkpoint: null,
        };
    }
}

/**
 * Withdrawals of the release, or of records that it falls with.
 * @param {string} release
 * @param {LoggedRecord[]} about
 */
function withdrawals(release, about) {
    const all = releaseWithdrawnBy(release, about);
    if (all) return [`${release} is ${withdrawnWords(all)}`];
    return about.flatMap((logged) => {
        const by = withdrawnBy(logged, about);
        return by && isCarriedBy(logged, about)
            ? [`${logged.statement.kind} (entry ${logged.index}) is ${withdrawnWords(by)}`]
            : [];
    });
}
