/**
 * RFC 6962 section 2.1: the hashes of leaves and nodes, and proofs, verified by the recursion that defines them.
 *
 * `PATH(m, D[n])` and `SUBPROOF(m, D[n], b)` split a tree of `n` leaves at `k`, the largest power of two below `n`. The
 * functions below split in the same way and take one hash off the end of the proof per split, so that the positions
 * alone decide how many hashes a proof has.
 *
 * Indexes and sizes are BigInts of up to 64 bits.
 */

import { base64, equal } from './bytes.js';
import { refuted } from './refusal.js';
import { sha256 } from './sha256.js';

/** `MTH({}) = SHA-256()`. */
export const EMPTY_ROOT = sha256();

const [ZERO, ONE] = [Uint8Array.of(0), Uint8Array.of(1)];

/** `SHA-256(0x00 || entry)`. @param {Uint8Array} entry */
export const leafHash = (entry) => sha256(ZERO, entry);

/** `SHA-256(0x01 || left || right)`. @param {Uint8Array} left @param {Uint8Array} right */
export const nodeHash = (left, right) => sha256(ONE, left, right);

/** The largest power of two below `n`, for `n > 1`. @param {bigint} n */
export const splitPoint = (n) => 1n << BigInt((n - 1n).toString(2).length - 1);

/** `MTH(D[n])` over leaf hashes, or over the roots of equal subtrees. @param {Uint8Array[]} leaves */
export function treeRoot(leaves) {
    // The roots of complete subtrees, largest first; the size of each is a bit of how many leaves there were.
    /** @type {Uint8Array[]} */
    const edge = [];
    leaves.forEach((leaf, index) => {
        let hash = leaf;
        for (let n = index; n % 2; n = (n - 1) / 2) hash = nodeHash(/** @type {Uint8Array} */ (edge.pop()), hash);
        edge.push(hash);
    });
    return foldEdge(edge);
}

/** The root of a tree by the roots of the complete subtrees that make it up. @param {Uint8Array[]} edge */
export const foldEdge = (edge) => (edge.length ? edge.reduceRight((right, left) => nodeHash(left, right)) : EMPTY_ROOT);

/** The hashes of a proof that have not been used yet. */
class Unused {
    constructor(/** @type {Uint8Array[]} */ hashes) {
        // Where one is longer and the next one shorter, a node's bytes are the same, and nothing else is.
        if (hashes.some(({ length }) => length !== 32)) throw refuted('a hash of the proof does not have 32 bytes');
        this.hashes = hashes;
        this.left = hashes.length;
    }
    takeLast() {
        if (!this.left) throw refuted('the proof has too few hashes for these positions');
        return this.hashes[--this.left];
    }
    checkEmpty() {
        if (this.left) throw refuted(`the proof has ${this.left} hashes more than these positions ask for`);
    }
}

/**
 * Checks that `leaf` stands at `index` in the tree of `size` entries with this root (section 2.1.1).
 * @param {{ index: bigint, size: bigint, leaf: Uint8Array, path: Uint8Array[], root: Uint8Array }} proof
 */
export function verifyInclusion({ index, size, leaf, path, root }) {
    if (index < 0n || index >= size) throw refuted(`entry ${index} is not between 0 and ${size}`);
    const rest = new Unused(path);
    const computed = rootFromPath(index, size, leaf, rest);
    rest.checkEmpty();
    if (!equal(computed, root)) {
        throw refuted(`the proof leads to root ${base64(computed)}, and the tree's root is ${base64(root)}`);
    }
}

/**
 * `PATH(m, D[n])` read backwards.
 * @param {bigint} m
 * @param {bigint} n
 * @param {Uint8Array} leaf
 * @param {Unused} path
 * @returns {Uint8Array}
 */
function rootFromPath(m, n, leaf, path) {
    if (n === 1n) return leaf;
    const k = splitPoint(n);
    const sibling = path.takeLast();
    return m < k
        ? nodeHash(rootFromPath(m, k, leaf, path), sibling)
        : nodeHash(sibling, rootFromPath(m - k, n - k, leaf, path));
}

/**
 * @typedef {{ size: bigint, root: Uint8Array }} TreeHead
 *
 * Checks that the tree of `older` is the beginning of the tree of `newer` (section 2.1.2). Everything begins with the
 * empty tree.
 * @param {TreeHead} older @param {TreeHead} newer @param {Uint8Array[]} path
 */
export function verifyConsistency(older, newer, path) {
    if (older.size > newer.size)
        throw refuted(`a tree of ${older.size} entries can't be the beginning of one of ${newer.size}`);
    const rest = new Unused(path);
    const computed = older.size
        ? rootsFromSubproof(older.size, newer.size, true, older.root, rest)
        : { old: EMPTY_ROOT, new: newer.size ? newer.root : EMPTY_ROOT };
    rest.checkEmpty();
    if (!equal(computed.old, older.root)) {
        throw refuted(
            `the proof leads to root ${base64(computed.old)} for the older tree, whose root is ${base64(older.root)}`,
        );
    }
    if (!equal(computed.new, newer.root)) {
        throw refuted(`the proof leads to root ${base64(computed.new)}, and the tree's root is ${base64(newer.root)}`);
    }
}

/**
 * `SUBPROOF(m, D[n], b)` read backwards: the roots of the first `m` leaves, and of all. `b` says that these are still
 * the whole tree that the verifier knows the root of, which is then left out of the proof.
 * @param {bigint} m @param {bigint} n @param {boolean} b @param {Uint8Array} known @param {Unused} path
 * @returns {{ old: Uint8Array, new: Uint8Array }}
 */
function rootsFromSubproof(m, n, b, known, path) {
    if (m === n) {
        const hash = b ? known : path.takeLast();
        return { old: hash, new: hash };
    }
    const k = splitPoint(n);
    const sibling = path.takeLast();
    if (m <= k) {
        const left = rootsFromSubproof(m, k, b, known, path);
        return { old: left.old, new: nodeHash(left.new, sibling) };
    }
    const right = rootsFromSubproof(m - k, n - k, false, known, path);
    return { old: nodeHash(sibling, right.old), new: nodeHash(sibling, right.new) };
}
