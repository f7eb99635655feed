/**
 * C2SP `tlog-proof@v1` (https://c2sp.org/tlog-proof): that an entry is in a log, as text.
 *
 *     c2sp.org/tlog-proof@v1
 *     extra YWdl…                                     optional, and vouched for by nobody
 *     index 73894
 *     gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=    inclusion proof, the leaf's sibling first
 *     …
 *
 *     example.com/fancylog                            the log's checkpoint, verbatim
 *     …
 */

import { fromBase64, utf8 } from './bytes.js';
import { entryOf, parseEnvelope, recordOf } from './envelope.js';
import { badInput, refuted, Refusal } from './refusal.js';
import { leafHash, verifyInclusion } from './rfc6962.js';
import { NOTE_BYTES_MAX, parseVerifierKey } from './signed-note.js';
import { checkpointGist, parseU64, verifyCheckpoint } from './tlog-checkpoint.js';

const HEADER = 'c2sp.org/tlog-proof@v1';
const PATH_HASHES_MAX = 64;
const EXTRA_BYTES_MAX = 65536;

/**
 * @param {string} text
 * @returns {{ extra: Uint8Array | null, index: bigint, path: Uint8Array[], checkpoint: string }}
 */
export function parseReceipt(text) {
    const bytes = utf8(text).length;
    if (bytes > NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX)
        throw badInput(`the proof has ${bytes} bytes, more than any proof`);
    const form = (/** @type {number} */ line, /** @type {string} */ rule) =>
        badInput(`line ${line} of the proof: ${rule}`);
    const end = text.indexOf('\n\n');
    if (end < 0) throw form(1, 'the proof ends before its checkpoint, which follows an empty line');
    const lines = text.slice(0, end).split('\n');
    if (lines[0] !== HEADER) throw form(1, `a proof begins with ${HEADER}`);
    let next = 1;
    let extra = null;
    if (lines[1]?.startsWith('extra ')) {
        extra = fromBase64(lines[1].slice(6));
        if (!extra || extra.length > EXTRA_BYTES_MAX)
            throw form(2, 'behind extra comes base64, of at most 65,536 bytes');
        next = 2;
    }
    const index = lines[next]?.startsWith('index ') ? parseU64(lines[next].slice(6)) : null;
    if (index === null) throw form(next + 1, 'it should be index and a number without leading zeroes');
    const path = lines.slice(next + 1, next + 2 + PATH_HASHES_MAX).map((line, n) => {
        const hash = fromBase64(line);
        if (hash?.length !== 32) throw form(next + 2 + n, 'it should be the base64 of a 32-byte hash');
        return hash;
    });
    if (path.length > PATH_HASHES_MAX) throw form(next + 2 + PATH_HASHES_MAX, 'no inclusion proof has over 64 hashes');
    return { extra, index, path, checkpoint: text.slice(end + 2) };
}

/**
 * Checks that the log of `key` has `entry` at the receipt's index. Who signed the entry, it does not say.
 * @param {string} text @param {Uint8Array} entry @param {import('./signed-note.js').VerifierKey} key
 */
export async function verifyReceipt(text, entry, key) {
    const { index, path, checkpoint: note } = parseReceipt(text);
    const checkpoint = await verifyCheckpoint(note, key).catch((error) => {
        const within = error.within('its checkpoint does not hold: ');
        throw error.isOtherKey
            ? badInput(within.message, 'check that the key is that of the log that the proof is from')
            : within;
    });
    const { size, root } = checkpoint;
    if (index >= size)
        throw refuted(`the proof is about entry ${index}, and its checkpoint's tree has ${size} entries`);
    try {
        verifyInclusion({ index, size, leaf: leafHash(entry), path, root });
    } catch (error) {
        throw /** @type {any} */ (error).within(`the entry is not at index ${index} of the log: `);
    }
    return { index, checkpoint };
}

/**
 * What a receipt and its record come to, like `candor verify PROOF --record FILE`: that the record is in the log is
 * proven, and that its publisher signed it is not.
 * @param {string} text @param {Uint8Array} envelope as a file has it @param {string} logKey `origin+id+key`
 */
export async function judgeReceipt(text, envelope, logKey) {
    try {
        const parsed = parseEnvelope(envelope);
        const { statement } = recordOf(parsed);
        const { index, checkpoint } = await verifyReceipt(text, entryOf(parsed), parseVerifierKey(logKey));
        const what = `the ${statement.kind} record of ${statement.subject.name} is in the log, at entry ${index}; the signature is not checked: a lone proof does not say which keys are ${statement.publisher}'s`;
        return {
            verdict: 'unknown',
            isInLog: true,
            what,
            detail: what,
            hint: 'verify a .candor bundle that holds the record, or ask the log',
            checkpoint: checkpointGist(checkpoint),
        };
    } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return {
            verdict: error.verdict,
            isInLog: false,
            what: error.message,
            detail: error.message,
            hint: error.hint,
            checkpoint: null,
        };
    }
}
