/**
 * A log's tiles and entries, and proofs that are made of them. Tiles are not signed: whoever uses a proof verifies it, and
 * before a log is accused they are fetched once more, past all caches.
 */

import { equal } from './bytes.js';
import { refuted, unknown } from './refusal.js';
import { leafHash, treeRoot, verifyInclusion } from './rfc6962.js';
import {
    entryBundleOf,
    parseEntryBundle,
    parseTile,
    planInclusion,
    proofHashes,
    tilePath,
    tilesAbove,
    tilesOf,
} from './tlog-tiles.js';

const TILE_BYTES_MAX = 256 * 32;
const ENTRY_BUNDLE_BYTES_MAX = 256 * (2 + 65535);

export const TRY_AGAIN = 'try again; if it stays so, the log is damaged or lies: tell its operator and a witness';

/** @typedef {import('./tlog-checkpoint.js').Checkpoint} Checkpoint */

export class LogTiles {
    /** How the browser's cache is to be used. @type {RequestCache} */
    #cache = 'default';

    /**
     * @param {import('./log-server.js').LogServer} server
     * @param {import('./log-server.js').Answers} answers
     */
    constructor(server, answers) {
        this.server = server;
        this.answers = answers;
    }

    /**
     * Tries something, and once more with everything fetched anew if that refutes the log.
     * @template T
     * @param {() => Promise<T>} check
     * @returns {Promise<T>}
     */
    async twice(check) {
        try {
            return await check();
        } catch (error) {
            if (/** @type {any} */ (error).verdict !== 'refuted') throw error;
            this.answers.forget();
            this.#cache = 'reload';
            return await check().finally(() => (this.#cache = 'default'));
        }
    }

    /**
     * An entry's bytes, proven to be at `index` in the checkpoint's tree.
     * @param {bigint} index
     * @param {Checkpoint} checkpoint
     * @returns {Promise<Uint8Array>}
     */
    entry(index, checkpoint) {
        return this.twice(() => this.#provenEntry(index, checkpoint));
    }

    /** @param {bigint} index @param {Checkpoint} checkpoint */
    async #provenEntry(index, { size, root }) {
        if (index < 0n || index >= size) {
            throw unknown(
                `entry ${index} is not in the tree that the log signed, which has ${size} entries`,
                'try again later',
            );
        }
        const place = entryBundleOf(index, size);
        const [entries, path] = await Promise.all([
            this.#pieces(place, parseEntryBundle, ENTRY_BUNDLE_BYTES_MAX),
            this.hashes(planInclusion(index, size)),
        ]);
        const entry = entries[Number(index % 256n)];
        try {
            verifyInclusion({ index, size, leaf: leafHash(entry), path, root });
            return entry;
        } catch (error) {
            const where = await this.#blame(index, size, leafHash(entry), place).catch(() => '');
            throw refuted(
                `entry ${index}, as the log serves it, is not in the tree of ${size} entries that the log signed: ${/** @type {Error} */ (error).message}${where}`,
                TRY_AGAIN,
            );
        }
    }

    /**
     * Which of what the log serves contradict each other: an entry and its tile, or a tile and the one above it.
     * @param {bigint} index
     * @param {bigint} size
     * @param {Uint8Array} leaf
     * @param {import('./tlog-tiles.js').Tile} place
     */
    async #blame(index, size, leaf, place) {
        let [below, hash, at] = [tilePath(place), leaf, index];
        for (const tile of tilesAbove(index, size)) {
            const hashes = await this.#tile(tile);
            if (!equal(hashes[Number(at % 256n)], hash)) return `; ${below} is not what ${tilePath(tile)} says`;
            if (tile.width < 256)
                return `; ${below} is what ${tilePath(tile)} says, and the tiles do not lead to the signed root`;
            [below, hash, at] = [tilePath(tile), treeRoot(hashes), at / 256n];
        }
        return '';
    }

    /** The hashes of a planned proof. @param {import('./tlog-tiles.js').Plan} plan */
    async hashes(plan) {
        const tiles = await Promise.all(
            tilesOf(plan).map(async (tile) => /** @type {const} */ ([tilePath(tile), await this.#tile(tile)])),
        );
        return proofHashes(plan, new Map(tiles));
    }

    /** @param {import('./tlog-tiles.js').Tile} tile */
    #tile(tile) {
        return this.#pieces(tile, parseTile, TILE_BYTES_MAX);
    }

    /**
     * The pieces of a tile or an entry bundle. A log may drop a partial one once the full one is there, so that is tried
     * second ("Partial Tiles").
     * @param {import('./tlog-tiles.js').Tile} tile
     * @param {(bytes: Uint8Array, width: number) => Uint8Array[]} parse
     * @param {number} bytesMax
     * @returns {Promise<Uint8Array[]>}
     */
    #pieces(tile, parse, bytesMax) {
        const path = tilePath(tile);
        return this.answers.once(path, async () => {
            const read = async (/** @type {number} */ width) => {
                const from = tilePath({ ...tile, width });
                const bytes = await this.server.ask(from, bytesMax, this.#cache);
                try {
                    return parse(bytes, width);
                } catch (error) {
                    throw this.server.unreadable(from, /** @type {Error} */ (error).message);
                }
            };
            return read(tile.width).catch(async (error) => {
                if (!error.isMissing || tile.width === 256) throw error;
                // If neither is there, the first error names what was needed.
                const pieces = await read(256).catch(() => {
                    throw error;
                });
                return pieces.slice(0, tile.width);
            });
        });
    }
}
