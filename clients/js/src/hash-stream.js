/**
 * SHA-256 of streams: of Node, or of the web.
 */

import { hex } from './bytes.js';
import { CHUNK_BYTES } from './hashing.js';
import { Sha256 } from './sha256.js';

/**
 * The digest of a stream: of Node, or of the web.
 * @param {AsyncIterable<Uint8Array>} stream @param {{ progress?: (bytes: number) => void, chunks?: boolean }} [options]
 * @returns {Promise<{ size: number, sha256: string, chunks: Uint8Array[] }>}
 */
export async function hashStream(stream, { progress = () => {}, chunks = false } = {}) {
    const whole = new Sha256();
    const leaves = [];
    let [size, chunk] = [0, new Sha256().update(Uint8Array.of(0))];
    for await (let piece of stream) {
        whole.update(piece);
        while (chunks && piece.length) {
            const left = CHUNK_BYTES - (size % CHUNK_BYTES);
            const part = piece.subarray(0, left);
            chunk.update(part);
            size += part.length;
            piece = piece.subarray(part.length);
            if (part.length === left) {
                leaves.push(chunk.digest());
                chunk = new Sha256().update(Uint8Array.of(0));
            }
        }
        size += piece.length;
        progress(size);
    }
    if (size % CHUNK_BYTES) leaves.push(chunk.digest());
    return { size, sha256: hex(whole.digest()), chunks: size > CHUNK_BYTES && chunks ? leaves : [] };
}
