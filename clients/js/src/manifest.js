/**
 * The manifest: the list of a release's files, in one canonical form; and a folder held against it.
 *
 *     files ──► canonical JSON (an attachment) ──► its SHA-256, the release's subject digest
 *                                             └──► Merkle root, count, bytes (the `weights` statement)
 */

import { compareUtf8, fromUtf8, hex, utf8 } from './bytes.js';
import { canonicalJson, parseJson, U64_MAX, WHOLE_MAX } from './json.js';
import { ALGORITHMS, count, digestSet, exactly, filePath, isOfBytes, isStrong, list, some, text } from './kinds.js';
import { isFilePath } from './names.js';
import { refuted, shortened } from './refusal.js';
import { leafHash, treeRoot } from './rfc6962.js';
import { sha256 } from './sha256.js';

const FILES_MAX = 200000;
const MANIFEST_TYPE = 'urn:candor:manifest:v1';

/**
 * @typedef {{ path: string, size?: number, digest: Record<string, string> }} ManifestFile
 * @typedef {{ files: ManifestFile[], bytes: Uint8Array, sha256: string, root: string }} Manifest
 */

const MANIFEST_FORM = exactly({
    manifest: text,
    files: list(exactly({ path: filePath, size: some(count), digest: digestSet })),
});

/**
 * Reads a document that must be the canonical JSON of what it holds.
 * @param {Uint8Array} bytes
 * @param {string} what
 */
export function parseCanonical(bytes, what) {
    try {
        const json = parseJson(bytes);
        return { json, isCanonical: canonicalJson(json) === fromUtf8(bytes) };
    } catch (error) {
        throw refuted(`the ${what} is not strict JSON: ${/** @type {Error} */ (error).message}`);
    }
}

/** Reads a manifest, which must be in canonical form. @param {Uint8Array} bytes @returns {Manifest} */
export function parseManifest(bytes) {
    const { json, isCanonical } = parseCanonical(bytes, 'manifest');
    const fault = MANIFEST_FORM(json);
    if (fault !== null)
        throw refuted(`this is not a manifest: what is at ${fault || '/'} is none of its fields, or not of its form`);
    if (json.manifest !== MANIFEST_TYPE)
        throw refuted(`this is not a manifest: its type is not ${JSON.stringify(MANIFEST_TYPE)}`);
    const manifest = manifestOf(json.files);
    const isSorted = manifest.files.every((file, n) => file === json.files[n]);
    if (!isCanonical || !isSorted) {
        throw refuted('the manifest is not in canonical form (RFC 8785), or its files are not sorted by path');
    }
    return manifest;
}

/** Sorts and checks a list of files. @param {ManifestFile[]} listed @returns {Manifest} */
export function manifestOf(listed) {
    if (!listed.length || listed.length > FILES_MAX) {
        throw refuted(`a manifest lists 1 to ${FILES_MAX} files, and this one lists ${listed.length}`);
    }
    const files = [...listed].sort((a, b) => compareUtf8(a.path, b.path));
    const paths = new Set();
    for (const { path, size } of files) {
        if (!isFilePath(path)) throw refuted(`the path ${shortened(path, 200)} is none that a release can have`);
        if (paths.has(path)) throw refuted(`${path} is listed twice`);
        if (size !== undefined && size > WHOLE_MAX)
            throw refuted(`${path} is larger than ${WHOLE_MAX} bytes, the largest number that JSON keeps exactly`);
        paths.add(path);
    }
    for (const { path } of files) {
        for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
            const folder = path.slice(0, at);
            if (paths.has(folder)) throw refuted(`${folder} is listed as a file, and other files are listed inside it`);
        }
    }
    const isByGitAlone = (/** @type {ManifestFile} */ { digest }) => !Object.keys(digest).some(isOfBytes);
    if (!algorithmsOf(files).length && !files.some(isByGitAlone)) {
        throw refuted('no digest algorithm is there for every file: add one that all of them have, such as sha256');
    }
    const bytes = utf8(canonicalJson({ files, manifest: MANIFEST_TYPE }));
    const root = hex(treeRoot(files.map((file) => leafHash(utf8(canonicalJson(file))))));
    return { files, bytes, sha256: hex(sha256(bytes)), root };
}

/**
 * The algorithms that every file has a digest of; those of git, whose objects are not files, aside.
 * @param {ManifestFile[]} files
 */
const algorithmsOf = (files) =>
    ALGORITHMS.filter((name) => isOfBytes(name) && files.every(({ digest }) => Object.hasOwn(digest, name)));

/**
 * Checks that a `weights` statement says of this manifest what is so.
 * @param {Manifest} manifest
 * @param {any} stated
 */
export function checkStated({ files, sha256: digest, root }, stated) {
    // Not known if one size is not, or if it is over 64 bits.
    const sum = files.reduce((sum, { size }) => sum + BigInt(size ?? U64_MAX + 1n), 0n);
    const total = sum > U64_MAX ? null : sum;
    const sorted = (/** @type {string[]} */ names) => ALGORITHMS.filter((name) => names.includes(name)).join();
    const fields = {
        'manifest/digest/sha256': [stated.manifest.digest.sha256, digest],
        root: [stated.root, root],
        files: [stated.files, files.length],
        bytes: [String(stated.bytes ?? null), String(total)],
        algorithms: [sorted(stated.algorithms), sorted(algorithmsOf(files))],
    };
    for (const [field, [says, actual]] of Object.entries(fields)) {
        if (says !== actual)
            throw refuted(
                `/predicate/${field}: the statement says ${JSON.stringify(says)}, and its manifest ${JSON.stringify(actual)}`,
            );
    }
}

/**
 * Holds what somebody has against a manifest. `changed`, `missing` and `extra` refute it; `weak` are the same by weak
 * digests alone, and of `notCompared` no listed digest is known.
 * @param {Manifest} manifest @param {ManifestFile[]} found
 */
export function compareFolder({ files }, found) {
    const rest = new Map(found.map((file) => [file.path, file]));
    const result = {
        same: 0,
        weak: /** @type {string[]} */ ([]),
        notCompared: /** @type {string[]} */ ([]),
        changed: /** @type {string[]} */ ([]),
        missing: /** @type {string[]} */ ([]),
        extra: /** @type {string[]} */ ([]),
    };
    for (const listed of files) {
        const { path, size, digest } = listed;
        const file = rest.get(path);
        rest.delete(path);
        const common = ALGORITHMS.filter((name) => digest[name]?.length === (file?.digest[name]?.length ?? -1));
        if (!file) result.missing.push(path);
        else if (
            (size !== undefined && size !== file.size) ||
            common.some((name) => digest[name] !== file.digest[name])
        )
            result.changed.push(path);
        else if (!common.length) result.notCompared.push(path);
        else if (common.some(isStrong)) result.same++;
        else result.weak.push(path);
    }
    result.extra.push(...rest.keys());
    return result;
}
