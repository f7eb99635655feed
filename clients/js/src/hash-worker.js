/**
 * A module worker that hashes files, one after the other:
 *
 *     { file, chunks? } ──► { bytes }, { bytes }, …, { hashed: { size, sha256, chunks } } or { error }
 */

import { hashBlob } from './hashing.js';

addEventListener('message', async ({ data: { file, chunks } }) => {
    try {
        postMessage({ hashed: await hashBlob(file, { chunks, progress: (bytes) => postMessage({ bytes }) }) });
    } catch (error) {
        postMessage({ error: String(error) });
    }
});
