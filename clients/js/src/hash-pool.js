/**
 * Files hashed in workers (`hash-worker.js`): one file to each, for as long as there are files.
 */

/**
 * The digests of many files.
 * @param {{ path: string, file: File }[]} files @param {string | URL} worker where `hash-worker.js` is
 * @param {(bytes: number, total: number) => void} progress
 * @returns {Promise<import('./manifest.js').ManifestFile[]>}
 */
export async function hashInWorkers(files, worker, progress) {
    const total = files.reduce((sum, { file }) => sum + file.size, 0);
    const done = files.map(() => 0);
    // The largest first: the last one to be done would be waited for alone.
    const order = files.map((_, n) => n).sort((a, b) => files[b].file.size - files[a].file.size);
    /** @type {import('./manifest.js').ManifestFile[]} */
    const hashed = [];
    const work = async () => {
        const own = new Worker(worker, { type: 'module' });
        try {
            for (let n = order.shift(); n !== undefined; n = order.shift()) {
                const { path, file } = files[n];
                const digest = await inWorker(own, file, (bytes) => {
                    done[/** @type {number} */ (n)] = bytes;
                    progress(
                        done.reduce((sum, it) => sum + it, 0),
                        total,
                    );
                });
                hashed[n] = { path, size: file.size, digest: { sha256: digest } };
            }
        } finally {
            own.terminate();
        }
    };
    const workers = Math.min(files.length, navigator.hardwareConcurrency || 2, 4);
    await Promise.all(Array.from({ length: workers }, work));
    return hashed;
}

/**
 * @param {Worker} worker
 * @param {File} file
 * @param {(bytes: number) => void} progress
 * @returns {Promise<string>}
 */
function inWorker(worker, file, progress) {
    return new Promise((resolve, reject) => {
        worker.onerror = ({ message }) => reject(new Error(message || 'the worker does not start'));
        worker.onmessage = ({ data: { bytes, hashed, error } }) => {
            if (error) reject(new Error(`${file.name}: ${error}`));
            else if (hashed) resolve(hashed.sha256);
            else progress(bytes);
        };
        worker.postMessage({ file });
    });
}
