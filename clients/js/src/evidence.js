/**
 * Evidence: two checkpoints of one log that don't fit together, for anybody to judge with the log's key alone, as
 * `candor verify FILE` does.
 *
 * What it is worth follows from the log's two signatures and the proof. What it says of itself counts for nothing.
 *
 * @typedef {{
 *   type: string, finding: 'fork' | 'unproven' | 'stale', origin: string, logKey: string, seen: string, shown: string,
 *   proof?: { from: number, to: number, rootInLargerTree: string, hashes: string[] },
 * }} Evidence
 */

import { base64, equal, fromBase64 } from './bytes.js';
import { verifyConsistency } from './rfc6962.js';
import { verifyCheckpoint } from './tlog-checkpoint.js';

/** @typedef {import('./tlog-checkpoint.js').Checkpoint} Checkpoint */

/**
 * @param {Evidence['finding']} finding @param {import('./signed-note.js').VerifierKey} key
 * @param {Checkpoint} seen @param {Checkpoint} shown
 * @param {{ root: Uint8Array, path: Uint8Array[] }} [proof] what the larger tree's first entries come to, and its proof
 * @returns {Evidence}
 */
export function evidenceOf(finding, key, seen, shown, proof) {
    const [smaller, larger] = inOrder(seen, shown);
    const inLarger = proof && {
        from: Number(smaller.size),
        to: Number(larger.size),
        rootInLargerTree: base64(proof.root),
        hashes: proof.path.map(base64),
    };
    return {
        type: 'urn:candor:evidence:v1',
        finding,
        origin: key.name,
        logKey: key.text,
        seen: seen.text,
        shown: shown.text,
        ...(inLarger && { proof: inLarger }),
    };
}

/** @param {Checkpoint} a @param {Checkpoint} b */
export const inOrder = (a, b) => (a.size < b.size ? [a, b] : [b, a]);

/**
 * Whether evidence shows that the log with `key` signed two histories.
 * @param {Evidence} evidence
 * @param {import('./signed-note.js').VerifierKey} key
 */
export async function isFork({ seen, shown, proof }, key) {
    const [one, other] = [await verifyCheckpoint(seen, key), await verifyCheckpoint(shown, key)];
    if (one.size === other.size) return !equal(one.root, other.root);
    const [smaller, larger] = inOrder(one, other);
    if (proof?.from !== Number(smaller.size) || proof.to !== Number(larger.size)) return false;
    const read = (/** @type {any} */ hash) => (typeof hash === 'string' && fromBase64(hash)) || new Uint8Array();
    const [root, ...path] = [proof.rootInLargerTree].concat(proof.hashes).map(read);
    return refutes(root, path, smaller, larger);
}

/**
 * Whether the larger tree begins with a tree of this root, which is another than the smaller.
 * @param {Uint8Array} root
 * @param {Uint8Array[]} path
 * @param {Checkpoint} smaller
 * @param {Checkpoint} larger
 */
export function refutes(root, path, smaller, larger) {
    try {
        verifyConsistency({ size: smaller.size, root }, larger, path);
        return !equal(root, smaller.root);
    } catch {
        return false;
    }
}
