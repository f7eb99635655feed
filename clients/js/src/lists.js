/**
 * What a `weights` record may name beside its manifest: the chunks of large files, and the tensors.
 *
 *     chunk list    32 bytes for each chunk of 8 MiB of each file that has more than one, in the manifest's order
 *     tensor list   canonical JSON: { "list": "urn:candor:tensors:v1", "tensors": [{ "places": […], "tensor": {…} }] }
 */

import { compareUtf8, hex, utf8 } from './bytes.js';
import { CHUNK_BYTES } from './hashing.js';
import { canonicalJson } from './json.js';
import { count, digest, exactly, filePath, list, text } from './kinds.js';
import { parseCanonical } from './manifest.js';
import { isPlainText } from './names.js';
import { refuted, shortened } from './refusal.js';
import { leafHash, treeRoot } from './rfc6962.js';

const CHUNK_LIST_BYTES_MAX = 8 << 20;
const TENSORS_TYPE = 'urn:candor:tensors:v1';
const TENSORS_MAX = 200000;
const TENSOR_LIST_BYTES_MAX = 32 << 20;

/**
 * Reads the chunk list that a `weights` statement names: the leaf hashes of the chunks of each file.
 * @param {Uint8Array} bytes @param {any} stated @param {import('./manifest.js').Manifest} manifest
 */
export function parseChunkList(bytes, stated, { files }) {
    const chunked = files.filter(({ size }) => size !== undefined && size > CHUNK_BYTES);
    const expected = chunked.reduce(
        (sum, { size }) => sum + 32 * Math.ceil(/** @type {number} */ (size) / CHUNK_BYTES),
        0,
    );
    if (bytes.length !== expected || !expected) {
        throw refuted(
            `/predicate/chunks/list: a chunk list of ${bytes.length} bytes, and the manifest's files have chunks for ${expected}`,
        );
    }
    if (expected > CHUNK_LIST_BYTES_MAX) {
        throw refuted(
            `/predicate/chunks/list: a chunk list of ${expected} bytes, and the most that one may have are ${CHUNK_LIST_BYTES_MAX}: leave it out`,
        );
    }
    /** @type {Map<string, Uint8Array[]>} */
    const chunks = new Map();
    let at = 0;
    const leaves = chunked.map(({ path, size = 0 }) => {
        const hashes = Array.from({ length: Math.ceil(size / CHUNK_BYTES) }, () => bytes.subarray(at, (at += 32)));
        chunks.set(path, hashes);
        return leafHash(utf8(canonicalJson({ bytes: size, path, root: hex(treeRoot(hashes)) })));
    });
    const root = hex(treeRoot(leaves));
    if (root !== stated.root)
        throw refuted(`/predicate/chunks/root: the statement says ${stated.root}, and its chunk list ${root}`);
    return chunks;
}

const tensorForm = exactly({ bytes: count, dtype: text, name: text, sha256: digest, shape: list(count) });
const TENSORS_FORM = exactly({
    list: text,
    tensors: list(exactly({ tensor: tensorForm, places: list(exactly({ path: filePath, offset: count })) })),
});

/**
 * Reads the tensor list that a `weights` statement names, which must be in canonical form.
 * @param {Uint8Array} bytes @param {any} stated @param {import('./manifest.js').Manifest} manifest
 */
export function parseTensorList(bytes, stated, { files }) {
    if (bytes.length > TENSOR_LIST_BYTES_MAX) {
        throw refuted(
            `a tensor list of ${bytes.length} bytes, and the most that one may have are ${TENSOR_LIST_BYTES_MAX}`,
        );
    }
    const { json, isCanonical } = parseCanonical(bytes, 'tensor list');
    const fault = TENSORS_FORM(json);
    if (fault !== null)
        throw refuted(
            `this is not a tensor list: what is at ${fault || '/'} is none of its fields, or not of its form`,
        );
    if (json.list !== TENSORS_TYPE)
        throw refuted(`this is not a tensor list: its type is not ${JSON.stringify(TENSORS_TYPE)}`);
    const { tensors } = json;
    const places = tensors.reduce((/** @type {number} */ sum, /** @type {any} */ it) => sum + it.places.length, 0);
    if (!tensors.length || tensors.length > TENSORS_MAX) {
        throw refuted(`a tensor list has 1 to ${TENSORS_MAX} tensors, and this one has ${tensors.length}`);
    }
    if (places > 2 * TENSORS_MAX)
        throw refuted(`the tensors of a list have at most ${2 * TENSORS_MAX} places, and these have ${places}`);
    const sizes = new Map(files.map(({ path, size }) => [path, size]));
    let before = '';
    const leaves = [];
    for (const listed of tensors) {
        const rule = tensorFault(listed, sizes);
        if (rule) throw refuted(`tensor ${shortened(listed.tensor.name, 100)}: ${rule}`);
        const canonical = canonicalJson(listed.tensor);
        if (!isCanonical || compareUtf8(before, canonical) >= 0 || !arePlacesSorted(listed.places)) {
            throw refuted(
                'the tensor list is not in canonical form (RFC 8785), or its tensors are not each once and in their order',
            );
        }
        leaves.push(leafHash(utf8(canonical)));
        before = canonical;
    }
    const root = hex(treeRoot(leaves));
    for (const [field, says, actual] of [
        ['count', stated.count, tensors.length],
        ['root', stated.root, root],
    ]) {
        if (says !== actual)
            throw refuted(`/predicate/tensors/${field}: the statement says ${says}, and its tensor list ${actual}`);
    }
    return tensors;
}

/** @param {{ path: string, offset: number }[]} places */
const arePlacesSorted = (places) =>
    places.every(
        (place, n) => !n || (compareUtf8(places[n - 1].path, place.path) || places[n - 1].offset - place.offset) < 0,
    );

/**
 * Which rule a tensor breaks, in words.
 * @param {any} listed
 * @param {Map<string, number | undefined>} sizes
 */
function tensorFault({ tensor: { name, dtype, shape, bytes }, places }, sizes) {
    for (const [what, value, bytesMax] of [
        ['name', name, 1024],
        ['type', dtype, 64],
    ]) {
        const length = utf8(value).length;
        if (length > bytesMax) return `its ${what} has ${length} bytes, and may have ${bytesMax}`;
        if (!isPlainText(value)) return `its ${what} can't be shown as it is`;
    }
    if (!dtype) return 'its elements have no type';
    if (shape.length > 64) return `it has ${shape.length} dimensions, and may have 64`;
    if (!places.length) return 'it is in no file';
    for (const { path, offset } of places) {
        if (!sizes.has(path)) return `${path} is not a file of the manifest`;
        const size = sizes.get(path);
        if (size === undefined || bytes > size || offset > size - bytes)
            return `${bytes} bytes from byte ${offset} on are not in ${path}`;
    }
    return null;
}
