/**
 * C2SP `tlog-tiles` (https://c2sp.org/tlog-tiles): the tree in pieces of 256 hashes, entries in bundles of 256, and
 * proofs built from them.
 *
 *     tile/1/000      ● ● …                            hashes at level 8: each is the root of a full tile below
 *                     │  ╲
 *     tile/0/000      ● ● ● … (256)   tile/0/001.p/44  hashes at level 0: the leaf hashes
 *
 *     planInclusion(index, size) ──► tilesOf(plan) ──► (the caller fetches them) ──► proofHashes(plan, tiles)
 *
 * Nothing here says that tiles are true: whoever uses a proof that was built from them verifies it.
 */

import { refuted, unknown } from './refusal.js';
import { foldEdge, splitPoint, treeRoot } from './rfc6962.js';

const WIDTH = 256n;

/**
 * A tile, or with the level `entries` an entry bundle: where it is, and how many hashes or entries it has.
 * @typedef {{ level: number | 'entries', index: bigint, width: number }} Tile
 *
 * The leaves from `start` to before `end`.
 * @typedef {{ start: bigint, end: bigint }} LeafRange
 *
 * A proof to be built: the Merkle Tree Hashes of these ranges, in a tree of `size` entries.
 * @typedef {{ size: bigint, ranges: LeafRange[] }} Plan
 */

/** `tile/<L>/<N>[.p/<W>]`, or `tile/entries/<N>[.p/<W>]`. @param {Tile} tile */
export function tilePath({ level, index, width }) {
    let path = String(index % 1000n).padStart(3, '0');
    for (let rest = index / 1000n; rest; rest /= 1000n) path = `x${String(rest % 1000n).padStart(3, '0')}/${path}`;
    return `tile/${level}/${path}${width < 256 ? `.p/${width}` : ''}`;
}

/**
 * The tile as a tree of `size` has it: full, or partial.
 * @param {number | 'entries'} level
 * @param {bigint} index
 * @param {bigint} size
 * @returns {Tile}
 */
function tileInTree(level, index, size) {
    const hashes = level === 'entries' ? size : size >> BigInt(8 * level);
    const left = hashes - index * WIDTH;
    return { level, index, width: Number(left < WIDTH ? left : WIDTH) };
}

/**
 * The tiles of each level that lie above the leaf at `index`, from the leaf up.
 * @param {bigint} index
 * @param {bigint} size
 */
export function tilesAbove(index, size) {
    const tiles = [];
    for (let level = 0; size >> BigInt(8 * level) > 0n; level++) {
        const at = index >> BigInt(8 * (level + 1));
        if (at * WIDTH < size >> BigInt(8 * level)) tiles.push(tileInTree(level, at, size));
    }
    return tiles;
}

/** The entry bundle that has the entry at `index`. @param {bigint} index @param {bigint} size */
export const entryBundleOf = (index, size) => tileInTree('entries', index / WIDTH, size);

/** The hashes of a tile that has `width` of them. @param {Uint8Array} bytes @param {number} width */
export function parseTile(bytes, width) {
    if (bytes.length !== 32 * width) {
        throw unknown(`the tile has ${bytes.length} bytes instead of ${32 * width}: 32 for each of its hashes`);
    }
    return Array.from({ length: width }, (_, n) => bytes.subarray(32 * n, 32 * n + 32));
}

/**
 * The entries of a bundle that has `width` of them: each behind its length in two bytes.
 * @param {Uint8Array} bytes
 * @param {number} width
 */
export function parseEntryBundle(bytes, width) {
    const entries = [];
    let at = 0;
    while (at < bytes.length && entries.length <= width) {
        const length = (bytes[at] << 8) | bytes[at + 1];
        if (at + 2 > bytes.length || at + 2 + length > bytes.length) {
            throw unknown(`the entry bundle ends inside entry ${entries.length} of it`);
        }
        entries.push(bytes.subarray(at + 2, at + 2 + length));
        at += 2 + length;
    }
    if (entries.length !== width) throw unknown(`the entry bundle holds ${entries.length} entries instead of ${width}`);
    return entries;
}

/** For `PATH(index, D[size])`. @param {bigint} index @param {bigint} size @returns {Plan} */
export function planInclusion(index, size) {
    /** @type {LeafRange[]} */
    const ranges = [];
    let [start, end] = [0n, size];
    while (end - start > 1n) {
        const middle = start + splitPoint(end - start);
        if (index < middle) {
            ranges.push({ start: middle, end });
            end = middle;
        } else {
            ranges.push({ start, end: middle });
            start = middle;
        }
    }
    // The leaf's sibling comes first.
    return { size, ranges: ranges.reverse() };
}

/**
 * For `PROOF(older, D[newer])`; there is nothing to prove from the empty tree.
 * @param {bigint} older
 * @param {bigint} newer
 * @returns {Plan}
 */
export function planConsistency(older, newer) {
    /** @type {LeafRange[]} */
    const ranges = [];
    let [start, end, isWhole] = [0n, newer, true];
    while (older && older !== end) {
        const middle = start + splitPoint(end - start);
        if (older <= middle) {
            ranges.push({ start: middle, end });
            end = middle;
        } else {
            ranges.push({ start, end: middle });
            [start, isWhole] = [middle, false];
        }
    }
    if (!isWhole) ranges.push({ start, end });
    return { size: newer, ranges: ranges.reverse() };
}

/**
 * For the complete subtrees that the first `older` leaves are made of, in the tree of `newer`.
 * @param {bigint} older
 * @param {bigint} newer
 * @returns {Plan}
 */
export const planEdge = (older, newer) => ({ size: newer, ranges: subtrees({ start: 0n, end: older }) });

/**
 * The complete subtrees that make up a range, largest first.
 * @param {LeafRange} range
 * @returns {LeafRange[]}
 */
function subtrees({ start, end }) {
    const found = [];
    while (start < end) {
        const width = 1n << BigInt((end - start).toString(2).length - 1);
        found.push({ start, end: start + width });
        start += width;
    }
    return found;
}

/**
 * The tile that has a complete subtree, and which of its hashes lie below that.
 * @param {LeafRange} subtree
 * @param {bigint} size
 */
function tileOf({ start, end }, size) {
    const height = (end - start).toString(2).length - 1;
    const level = Math.floor(height / 8);
    const first = start >> BigInt(8 * level);
    const place = Number(first % WIDTH);
    return { tile: tileInTree(level, first / WIDTH, size), from: place, to: place + (1 << (height % 8)) };
}

/** The tiles that a proof is built from, each once. @param {Plan} plan */
export function tilesOf({ size, ranges }) {
    const tiles = ranges.flatMap(subtrees).map((subtree) => tileOf(subtree, size).tile);
    return [...new Map(tiles.map((tile) => [tilePath(tile), tile])).values()];
}

/**
 * The hashes of a proof, from the tiles by their paths.
 * @param {Plan} plan
 * @param {Map<string, Uint8Array[]>} tiles
 */
export function proofHashes({ size, ranges }, tiles) {
    const rootOf = (/** @type {LeafRange} */ subtree) => {
        const { tile, from, to } = tileOf(subtree, size);
        const hashes = tiles.get(tilePath(tile))?.slice(from, to);
        if (hashes?.length !== to - from)
            throw refuted(`${tilePath(tile)} is needed for this proof, and is missing or too short`);
        return treeRoot(hashes);
    };
    return ranges.map((range) => foldEdge(subtrees(range).map(rootOf)));
}
