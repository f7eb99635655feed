/**
 * C2SP `tlog-checkpoint` (https://c2sp.org/tlog-checkpoint): a log's signed tree head.
 *
 *     example.com/behind-the-sofa\n                     origin: which log
 *     20852163\n                                        tree size
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n    root hash
 *     …\n                                               extension lines, such as `retired KEY URL`
 *     \n
 *     — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1…\n
 */

import { base64, equal, fromBase64, fromUtf8, utf8 } from './bytes.js';
import { U64_MAX } from './json.js';
import { refuted, shortened } from './refusal.js';
import { EMPTY_ROOT } from './rfc6962.js';
import { parseNote, parseVerifierKey, verifyNote } from './signed-note.js';

const EXTENSION_LINES_MAX = 16;
const URL_BYTES_MAX = 1024;

/**
 * A log's last word: it takes no further entry, and goes on in `next` if there is one.
 * @typedef {{ next: { key: string, url: string } | null }} Retirement
 *
 * A checkpoint whose signature was checked; `text` is the note as it was signed.
 * @typedef {{ origin: string, size: bigint, root: Uint8Array, extensions: string[], retirement: Retirement | null,
 *   text: string }} Checkpoint
 */

/** A whole number below 2^64, without leading zeroes. @param {string} text @returns {bigint | null} */
export function parseU64(text) {
    const number = /^(?:0|[1-9][0-9]{0,19})$/.test(text) ? BigInt(text) : null;
    return number === null || number > U64_MAX ? null : number;
}

/**
 * Reads a checkpoint of the log that `key` is the key of, and checks the log's signature on it.
 * @param {string | Uint8Array} note @param {import('./signed-note.js').VerifierKey} key @returns {Promise<Checkpoint>}
 */
export async function verifyCheckpoint(note, key) {
    const bytes = typeof note === 'string' ? utf8(note) : note;
    const parsed = parseNote(bytes);
    await verifyNote(parsed, [key]);
    return { ...parseCheckpoint(parsed.text, key.name), text: /** @type {string} */ (fromUtf8(bytes)) };
}

/** @param {string} text @param {string} origin the log that it should be of */
export function parseCheckpoint(text, origin) {
    const lines = text.replace(/\n$/, '').split('\n');
    const [found, sizeLine, rootLine, ...extensions] = lines;
    if (lines.length < 3) throw refuted(`a checkpoint has at least three lines, and this one has ${lines.length}`);
    if (found !== origin) {
        throw refuted(`this is a checkpoint of ${shortened(found, 100)}, and not of ${origin}`, '', {
            isOtherKey: true,
        });
    }
    const size = parseU64(sizeLine);
    if (size === null) {
        throw refuted(
            `the checkpoint's second line is ${shortened(sizeLine)} and should be the tree size, without leading zeroes`,
        );
    }
    const root = fromBase64(rootLine);
    if (root?.length !== 32) {
        throw refuted(
            `the checkpoint's third line is ${shortened(rootLine)} and should be the root hash, the base64 of 32 bytes`,
        );
    }
    if (extensions.length > EXTENSION_LINES_MAX || extensions.includes('')) {
        throw refuted(`the checkpoint has an empty extension line, or over ${EXTENSION_LINES_MAX}`);
    }
    const retirements = extensions.filter((line) => line.split(' ', 1)[0] === 'retired').map(parseRetirement);
    // Of two, one would be believed, and not by everybody the same.
    if (retirements.length > 1) throw refuted('the checkpoint says twice that the log is retired');
    if (size === 0n && !equal(root, EMPTY_ROOT)) {
        throw refuted(
            'the checkpoint says that the tree is empty and gives it a root that the empty tree does not have',
        );
    }
    return { origin, size, root, extensions, retirement: retirements[0] ?? null };
}

/** `retired`, or `retired KEY URL`. @param {string} line @returns {Retirement} */
function parseRetirement(line) {
    const fault = (/** @type {string} */ what) =>
        refuted(`the checkpoint says that the log is retired, and how can't be read: ${what}`);
    const [, key, url, ...more] = line.split(' ');
    if (key === undefined) return { next: null };
    if (url === undefined || more.length)
        throw fault(`the line ${shortened(line)} should be \`retired\`, or \`retired KEY URL\``);
    try {
        parseVerifierKey(key);
    } catch (error) {
        throw fault(`the next log's key is refused: ${/** @type {Error} */ (error).message}`);
    }
    if (!/^https?:\/\/[\x21-\x7e]+$/.test(url) || url.length > URL_BYTES_MAX) {
        throw fault(
            `the next log's address is ${shortened(url)}, and should be a URL of http or https, of at most ${URL_BYTES_MAX} bytes`,
        );
    }
    return { next: { key, url: url.replace(/\/+$/, '') } };
}

/** As a number where that keeps its value, which BigInts always do. @param {bigint} n */
export const plainNumber = (n) => (n <= Number.MAX_SAFE_INTEGER ? Number(n) : n);

/** What verdicts say of a checkpoint. @param {Checkpoint} checkpoint */
export const checkpointGist = ({ origin, size, root, retirement, text }) => ({
    origin,
    size: plainNumber(size),
    root: base64(root),
    retirement,
    text,
});
