/**
 * The JavaScript client of Candor: checks records, bundles and files against a log's key. See README.md.
 *
 * Nothing here needs more than WebCrypto, `fetch` and, to remember what was seen, IndexedDB; for Node there is a memory in
 * files (`candor-client/node`).
 */

export { judgeBundle, verifyBundle } from './bundle.js';
export { parseBundle } from './bundle-file.js';
export { isFork } from './evidence.js';
export { compareWithRelease, findFile, findFolder } from './find.js';
export { filesOfDrop, filesOfInput, listFolder } from './folder.js';
export { hashInWorkers } from './hash-pool.js';
export { hashStream } from './hash-stream.js';
export { CHUNK_BYTES, hashBlob } from './hashing.js';
export { canonicalJson, parseJson } from './json.js';
export { LogClient } from './log-client.js';
export { checkStated, compareFolder, manifestOf, parseManifest } from './manifest.js';
export { BrowserMemory, MemoryOnly } from './memory.js';
export { Refusal } from './refusal.js';
export { leafHash, nodeHash, treeRoot, verifyConsistency, verifyInclusion } from './rfc6962.js';
export { Sha256, sha256 } from './sha256.js';
export { parseVerifierKey } from './signed-note.js';
export { verifyCheckpoint } from './tlog-checkpoint.js';
export { judgeReceipt, parseReceipt, verifyReceipt } from './tlog-proof.js';
