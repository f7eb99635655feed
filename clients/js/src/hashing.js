/**
 * SHA-256 of files and blobs, with progress. What is small is left to WebCrypto; what is not is read piece by piece, and its chunks
 * are hashed beside if that is asked for.
 */

import { concat, hex } from './bytes.js';
import { sha256, Sha256 } from './sha256.js';

/** How many bytes each chunk of a file has, but for the last one. */
export const CHUNK_BYTES = 8 << 20;

/** What is read and hashed at once. */
const SMALL_BYTES_MAX = 1 << 20;

/** @param {Uint8Array[]} parts */
async function digestOf(...parts) {
    const subtle = globalThis.crypto?.subtle;
    return subtle ? new Uint8Array(await subtle.digest('SHA-256', concat(...parts))) : sha256(...parts);
}

/**
 * The digest of a `File` or a `Blob`. With `chunks`, the leaf hashes of its chunks of 8 MiB too, if it has more than one.
 * @param {Blob} blob
 * @param {{ progress?: (bytes: number) => void, chunks?: boolean }} [options] `progress` is told how many bytes are done
 * @returns {Promise<{ size: number, sha256: string, chunks: Uint8Array[] }>}
 */
export async function hashBlob(blob, { progress = () => {}, chunks = false } = {}) {
    const { size } = blob;
    const read = async (/** @type {number} */ at) => {
        const piece = new Uint8Array(await blob.slice(at, at + CHUNK_BYTES).arrayBuffer());
        if (piece.length !== Math.min(CHUNK_BYTES, size - at)) throw new Error('the file changed while it was read');
        return piece;
    };
    if (size <= SMALL_BYTES_MAX) {
        const digest = await digestOf(await read(0));
        progress(size);
        return { size, sha256: hex(digest), chunks: [] };
    }
    const whole = new Sha256();
    const leaves = [];
    for (let at = 0, next = read(0); at < size; at += CHUNK_BYTES) {
        const piece = await next;
        // The next one is read meanwhile. If that fails, it is said when it is waited for.
        next = at + CHUNK_BYTES < size ? read(at + CHUNK_BYTES) : next;
        next.catch(() => {});
        if (chunks && size > CHUNK_BYTES) leaves.push(digestOf(Uint8Array.of(0), piece));
        whole.update(piece);
        progress(Math.min(size, at + CHUNK_BYTES));
    }
    return { size, sha256: hex(whole.digest()), chunks: await Promise.all(leaves) };
}
