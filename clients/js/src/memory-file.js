/**
 * What was seen of logs, in a folder: for Node. One JSON file for each log, named by the SHA-256 of its origin.
 *
 *     <folder>/<hex>.json        the state; a crash leaves an old one or a new one, never half of one
 *     <folder>/<hex>.json.lock   there while a program compares and sets
 */

import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { isSameState } from './memory.js';

/** A lock that is older belongs to a program that ended inside: it takes milliseconds to compare and set. */
const LOCK_MS_MAX = 10_000;

/** @implements {import('./memory.js').Memory} */
export class FileMemory {
    constructor(/** @type {string} */ folder) {
        this.folder = folder;
    }

    /** @param {string} origin */
    #path(origin) {
        return join(this.folder, `${createHash('sha256').update(origin).digest('hex')}.json`);
    }

    /** @param {string} origin @returns {Promise<import('./memory.js').State | null>} */
    async get(origin) {
        try {
            return JSON.parse(await readFile(this.#path(origin), 'utf8'));
        } catch (error) {
            if (/** @type {any} */ (error).code === 'ENOENT') return null;
            throw error;
        }
    }

    /**
     * @param {string} origin
     * @param {import('./memory.js').State | null} before
     * @param {import('./memory.js').State} after
     */
    async replace(origin, before, after) {
        const path = this.#path(origin);
        await mkdir(this.folder, { recursive: true });
        const lock = await takeLock(`${path}.lock`);
        try {
            if (!isSameState(await this.get(origin), before)) return false;
            const file = await open(`${path}.new`, 'w');
            try {
                await file.writeFile(JSON.stringify(after));
                await file.sync();
            } finally {
                await file.close();
            }
            await rename(`${path}.new`, path);
            // Without this, a power cut may bring the old file back, and the log could be set back unnoticed.
            const folder = await open(this.folder, 'r');
            await folder.sync().finally(() => folder.close());
            return true;
        } finally {
            await lock.close();
            await rm(`${path}.lock`, { force: true });
        }
    }
}

/** Makes the file that nobody else may make meanwhile. @param {string} path */
async function takeLock(path) {
    for (;;) {
        try {
            return await open(path, 'wx');
        } catch (error) {
            if (/** @type {any} */ (error).code !== 'EEXIST') throw error;
        }
        const since = await stat(path).then(
            ({ mtimeMs }) => Date.now() - mtimeMs,
            () => 0,
        );
        if (since > LOCK_MS_MAX) await rm(path, { force: true });
        await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
    }
}
