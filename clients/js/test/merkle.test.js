import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { fromBase64, hex, fromHex, utf8 } from '../src/bytes.js';
import { EMPTY_ROOT, leafHash, treeRoot, verifyConsistency, verifyInclusion } from '../src/rfc6962.js';
import {
    planConsistency,
    planEdge,
    planInclusion,
    proofHashes,
    parseEntryBundle,
    parseTile,
    tilePath,
    tilesOf,
} from '../src/tlog-tiles.js';
import { foldEdge } from '../src/rfc6962.js';
import { consistency, mth, path } from './support.js';

const holds = (check) => {
    try {
        check();
        return true;
    } catch (error) {
        assert.equal(error.name, 'Refusal', error.stack);
        return false;
    }
};

/** The 518 proofs of transparency-dev/merkle. Their numbers go up to 2^64 - 1, beyond what JSON.parse keeps. */
const vectors = JSON.parse(
    readFileSync(new URL('../../../core/tests/vectors/transparency-dev-proofs.json', import.meta.url), 'utf8').replace(
        /:(\d+)([,}])/g,
        ':"$1"$2',
    ),
);

test('every published inclusion and consistency proof gets the expected verdict', () => {
    const path = (proof) => (proof ?? []).map((text) => fromBase64(text) ?? new Uint8Array());
    const isHash = (texts) => texts.every((text) => fromBase64(text)?.length === 32);
    let ran = 0;
    for (const { name, leafIdx, treeSize, root, leafHash: leaf, proof, wantErr } of vectors.inclusion) {
        const is =
            isHash([root, leaf, ...(proof ?? [])]) &&
            holds(() =>
                verifyInclusion({
                    index: BigInt(leafIdx),
                    size: BigInt(treeSize),
                    leaf: fromBase64(leaf),
                    path: path(proof),
                    root: fromBase64(root),
                }),
            );
        assert.equal(is, !wantErr, name);
        ran++;
    }
    for (const { name, size1, size2, root1, root2, proof, wantErr } of vectors.consistency) {
        // Some cases that hold only say that a root does not matter, in place of 32 bytes.
        const [older, newer] = [root1, root2].map((it) =>
            !wantErr && fromBase64(it) && fromBase64(it).length !== 32 ? hex(leafHash(utf8(it))) : it,
        );
        const root = (it) => (it.length === 64 ? fromHex(it) : fromBase64(it));
        const is =
            [older, newer].every((it) => root(it)?.length === 32) &&
            isHash(proof ?? []) &&
            holds(() =>
                verifyConsistency(
                    { size: BigInt(size1), root: root(older) },
                    { size: BigInt(size2), root: root(newer) },
                    path(proof),
                ),
            );
        assert.equal(is, !wantErr, name);
        ran++;
    }
    assert.equal(ran, 196);
});

/** The tree that implementations of RFC 6962 share, and its roots from 0 to 8 leaves. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

test('the shared tree has the published root at every size', () => {
    const leaves = LEAVES.map((leaf) => leafHash(fromHex(leaf)));
    ROOTS.forEach((root, size) => assert.equal(hex(treeRoot(leaves.slice(0, size))), root, String(size)));
});

const leaves = Array.from({ length: 700 }, (_, n) => leafHash(utf8(`leaf ${n}`)));
const flip = (hash) => hash.map((byte, n) => (n === 5 ? byte ^ 1 : byte));
/** A proof, and its neighbours that must not hold. */
const twins = (path) =>
    [
        [...path, EMPTY_ROOT],
        [EMPTY_ROOT, ...path],
        path.slice(1),
        path.slice(0, -1),
        [...path].reverse(),
        ...path.map((hash, n) => path.map((it, m) => (n === m ? flip(it) : it))),
    ].filter((twin) => twin.length !== path.length || twin.some((hash, n) => hash !== path[n]));

test('each entry of each small tree is proven, and nothing else is', () => {
    for (let size = 1; size <= 64; size++) {
        const root = mth(leaves.slice(0, size));
        for (let index = 0; index < size; index++) {
            const proof = {
                index: BigInt(index),
                size: BigInt(size),
                leaf: leaves[index],
                path: path(index, leaves.slice(0, size)),
                root,
            };
            verifyInclusion(proof);
            for (const other of [
                { leaf: flip(proof.leaf) },
                { root: flip(root) },
                { index: proof.index + 1n },
                { index: proof.index - 1n },
                { size: proof.size + 1n },
                { size: proof.size - 1n },
                ...twins(proof.path).map((path) => ({ path })),
            ]) {
                // A path to the last leaf may fit a larger tree's only if the hashes do, which the root tells.
                assert.equal(
                    holds(() => verifyInclusion({ ...proof, ...other })),
                    other.size === undefined ? false : isSameProof(index, size, other.size, root),
                    `${index} in ${size}: ${Object.keys(other)}`,
                );
            }
        }
    }
});

/** Whether a tree of another size has the same path and root for a leaf: by how RFC 6962 splits, and not by its hashes. */
function isSameProof(index, size, other, root) {
    if (BigInt(index) >= other || other < 1n) return false;
    const shape = (m, n) =>
        n === 1
            ? ''
            : ((k) => (m < k ? `${shape(m, k)}R` : `${shape(m - k, n - k)}L`))(2 ** Math.floor(Math.log2(n - 1)));
    return shape(index, size) === shape(index, Number(other));
}

test('each small tree is the beginning of each larger one, and of nothing else', () => {
    for (let size = 0; size <= 64; size++) {
        const newer = { size: BigInt(size), root: mth(leaves.slice(0, size)) };
        for (let old = 0; old <= size; old++) {
            const older = { size: BigInt(old), root: mth(leaves.slice(0, old)) };
            const proof = consistency(old, leaves.slice(0, size));
            verifyConsistency(older, newer, proof);
            const refused = [
                [{ ...older, root: flip(older.root) }, newer, proof],
                [older, { ...newer, size: newer.size - 1n }, proof],
                ...twins(proof).map((path) => [older, newer, path]),
            ];
            // Everything begins with the empty tree, whatever it is.
            if (old > 0) refused.push([older, { ...newer, root: flip(newer.root) }, proof]);
            if (old !== size) refused.push([newer, older, proof]);
            for (const [a, b, c] of refused) {
                const isAnotherShape = a === older && b.size === newer.size - 1n;
                if (isAnotherShape && holds(() => verifyConsistency(a, b, c)))
                    assert.ok(old === 0 || sameSplit(old, size), `${old} in ${size}`);
                else
                    assert.equal(
                        holds(() => verifyConsistency(a, b, c)),
                        false,
                        `${old} in ${size}`,
                    );
            }
        }
    }
});

/** Whether trees of `size` and one less split in the same way around `old`, so that their proofs have one form. */
const sameSplit = (old, size) =>
    consistency(old, leaves.slice(0, size)).length === consistency(old, leaves.slice(0, size - 1)).length;

test('sizes of 64 bits are taken', () => {
    const size = 2n ** 64n - 1n;
    const index = size - 1n;
    // The path of the last of so many: one hash for each smaller complete subtree to its left.
    const pathHashes = Array.from({ length: 63 }, (_, n) => leafHash(utf8(`subtree ${n}`)));
    const root = pathHashes.reduce((right, left) => foldEdge([left, right]), leaves[0]);
    verifyInclusion({ index, size, leaf: leaves[0], path: pathHashes, root });
    assert.equal(
        holds(() => verifyInclusion({ index: index - 1n, size, leaf: leaves[0], path: pathHashes, root })),
        false,
    );
});

const tileHashes = ({ level, index, width }) => {
    const step = 256 ** level;
    return Array.from({ length: width }, (_, n) => {
        const start = (Number(index) * 256 + n) * step;
        return mth(leaves.slice(start, start + step));
    });
};
const fromTiles = (plan) => proofHashes(plan, new Map(tilesOf(plan).map((tile) => [tilePath(tile), tileHashes(tile)])));

test('proofs are built from tiles as RFC 6962 defines them', () => {
    for (const size of [1, 2, 3, 64, 255, 256, 257, 300, 511, 512, 513, 700]) {
        const all = leaves.slice(0, size);
        for (let index = 0; index < size; index += size < 70 ? 1 : 13) {
            assert.deepEqual(
                fromTiles(planInclusion(BigInt(index), BigInt(size))),
                path(index, all),
                `${index} in ${size}`,
            );
        }
        for (let old = 0; old <= size; old += size < 70 ? 1 : 17) {
            assert.deepEqual(
                fromTiles(planConsistency(BigInt(old), BigInt(size))),
                consistency(old, all),
                `${old} in ${size}`,
            );
            assert.deepEqual(foldEdge(fromTiles(planEdge(BigInt(old), BigInt(size)))), mth(leaves.slice(0, old)));
        }
    }
});

test('paths of tiles are those of the specification', () => {
    assert.equal(tilePath({ level: 0, index: 1234067n, width: 256 }), 'tile/0/x001/x234/067');
    assert.equal(tilePath({ level: 'entries', index: 1234067n, width: 8 }), 'tile/entries/x001/x234/067.p/8');
    assert.equal(tilePath({ level: 3, index: 0n, width: 1 }), 'tile/3/000.p/1');
    assert.equal(tilePath({ level: 0, index: 999n, width: 255 }), 'tile/0/999.p/255');
    assert.equal(tilePath({ level: 0, index: 1000n, width: 256 }), 'tile/0/x001/000');
    assert.equal(tilePath({ level: 0, index: 2n ** 56n - 1n, width: 256 }), 'tile/0/x072/x057/x594/x037/x927/935');
    // The example of the specification: a tree of 70,000 entries.
    const widths = tilesOf(planEdge(70000n, 70000n)).map(tilePath);
    assert.deepEqual(widths, ['tile/2/000.p/1', 'tile/1/001.p/17', 'tile/0/273.p/112']);
});

test('tiles and entry bundles have the length that their width asks for', () => {
    assert.deepEqual(
        parseTile(new Uint8Array(64), 2).map((it) => it.length),
        [32, 32],
    );
    for (const length of [0, 32, 63, 65, 96])
        assert.throws(() => parseTile(new Uint8Array(length), 2), /bytes instead of 64/);
    const bundle = Uint8Array.of(0, 1, 65, 0, 0, 0, 2, 66, 67);
    assert.deepEqual(
        parseEntryBundle(bundle, 3).map((it) => [...it]),
        [[65], [], [66, 67]],
    );
    for (const [bytes, width] of [
        [bundle, 2],
        [bundle, 4],
        [bundle.subarray(0, 8), 3],
        [bundle.subarray(0, 6), 3],
        [Uint8Array.of(), 1],
        [Uint8Array.of(0), 1],
        [Uint8Array.of(1, 0, 65), 1],
    ]) {
        assert.throws(() => parseEntryBundle(bytes, width), /entry bundle/);
    }
});
