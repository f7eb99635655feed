/**
 * Files that somebody chose or dropped, listed as a release of them would be.
 *
 *     drop, or <input type=file> ──► { path, file }… ──► without what a release never lists ──► hashing ──► manifest
 *
 * A browser follows links and says nothing of them; `candor` refuses them.
 */

import { parseBundle } from './bundle-file.js';

/** Never part of a release: the history of a checkout, notes on downloads, unfinished downloads. */
const LEFT_OUT = ['.git', '.cache/huggingface', '.candor-fetch'];

/** @typedef {{ path: string, file: File }} FoundFile */

/**
 * Takes away what a release never lists, which includes bundles at the top of the folder.
 * @param {FoundFile[]} found @returns {Promise<{ files: FoundFile[], ignored: string[] }>}
 */
export async function listFolder(found) {
    /** @type {FoundFile[]} */
    const files = [];
    const ignored = [];
    for (const { path, file } of found) {
        const isInside = LEFT_OUT.some((name) => path.startsWith(`${name}/`));
        // Anything can have a bundle's name, so that it is told by what is in it.
        const isBundle = /^[^/]*\.candor$/.test(path) && (await isBundleFile(file));
        if (isInside || path === '.git' || isBundle) ignored.push(path);
        else files.push({ path, file });
    }
    return { files, ignored };
}

/** @param {File} file */
async function isBundleFile(file) {
    try {
        return !!parseBundle(new Uint8Array(await file.arrayBuffer()));
    } catch {
        return false;
    }
}

/**
 * The files of an `<input type=file>`, with or without `webkitdirectory`.
 * @param {Iterable<File>} files @returns {{ isFolder: boolean, found: FoundFile[] }}
 */
export function filesOfInput(files) {
    const found = [...files].map((file) => ({
        path: file.webkitRelativePath.replace(/^[^/]*\//, '') || file.name,
        file,
    }));
    return { isFolder: found.length !== 1 || !!found[0].file.webkitRelativePath, found };
}

/**
 * The files of a drop: of one folder, by their paths in it; or of several things, by their paths in nothing.
 * @param {DataTransfer} transfer @returns {Promise<{ isFolder: boolean, found: FoundFile[] }>}
 */
export async function filesOfDrop(transfer) {
    // All that a drop has is gone once somebody waits for something.
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
    /** @type {FoundFile[]} */
    const found = [];
    const isOneFolder = entries.length === 1 && !!entries[0] && 'isDirectory' in entries[0] && entries[0].isDirectory;
    for (const entry of entries) {
        if (entry && 'isDirectory' in entry) await walk(entry, isOneFolder ? '' : entry.name, found);
        else if (entry) found.push({ path: entry.name, file: entry });
    }
    return { isFolder: isOneFolder || found.length !== 1, found };
}

/** @param {any} entry a `FileSystemEntry` @param {string} path @param {FoundFile[]} found */
async function walk(entry, path, found) {
    if (entry.isFile) {
        found.push({ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
        return;
    }
    const reader = entry.createReader();
    for (;;) {
        /** @type {any[]} some hundred of them, and none at the end */
        const inside = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!inside.length) return;
        for (const it of inside) await walk(it, path ? `${path}/${it.name}` : it.name, found);
    }
}
