/**
 * What was seen of a log, and what it shows now: the checkpoint that it shows is held against the one that is remembered, by
 * a consistency proof made of its tiles.
 *
 *     memory ──► seen ─┐                            first, same, grown: remembered
 *                      ├─ proof from the larger ──► older: proven to be the beginning of what others saw meanwhile
 *     GET /checkpoint ─┘  tree's tiles              else: evidence, which is kept, and a refusal
 *
 * Always: a checkpoint is remembered only after a proof from the one before. A log that was caught with two histories is
 * refused from then on. Only the larger tree's own tiles are asked for: a log may drop a smaller tree's, and one that lies
 * would.
 */

import { equal } from './bytes.js';
import { evidenceOf, inOrder, isFork, refutes } from './evidence.js';
import { TRY_AGAIN } from './log-tiles.js';
import { isSameState } from './memory.js';
import { refuted, Refusal, unknown } from './refusal.js';
import { foldEdge, verifyConsistency } from './rfc6962.js';
import { NOTE_BYTES_MAX } from './signed-note.js';
import { verifyCheckpoint } from './tlog-checkpoint.js';
import { planConsistency, planEdge, tilePath, tilesOf } from './tlog-tiles.js';

/** Evidence that is no fork is kept up to here, so that a log that lags fills no disk. */
const EVIDENCE_MAX = 32;

/**
 * @typedef {import('./tlog-checkpoint.js').Checkpoint} Checkpoint
 * @typedef {{ checkpoint: Checkpoint, advance: 'first' | 'same' | 'grown' | 'older' }} Advance
 */

export class LogHistory {
    /**
     * @param {import('./signed-note.js').VerifierKey} key
     * @param {import('./memory.js').Memory} memory
     * @param {import('./log-server.js').LogServer} server
     * @param {import('./log-tiles.js').LogTiles} tiles
     */
    constructor(key, memory, server, tiles) {
        this.key = key;
        this.memory = memory;
        this.server = server;
        this.tiles = tiles;
    }

    /**
     * Fetches the newest checkpoint, holds it against what was seen, and remembers it. One that is older than what was seen
     * before it was asked for is asked for again: one of a log's addresses may lag for a moment.
     * @returns {Promise<Advance>}
     */
    async advance() {
        for (let isAgain = false; ; isAgain = true) {
            try {
                return await this.#advance();
            } catch (error) {
                const { evidence } = /** @type {any} */ (error);
                if (evidence?.finding === 'stale' && !isAgain) continue;
                // A memory that is full makes no lie of a log less of one.
                if (evidence)
                    await this.#keep(evidence).catch((fault) => {
                        Object.assign(/** @type {any} */ (error), { hint: `keep the evidence yourself: ${fault}` });
                    });
                throw error;
            }
        }
    }

    /** @returns {Promise<Advance>} */
    async #advance() {
        const state = await this.#remembered();
        await this.#refuseForked(state);
        const shown = await this.#shown();
        for (let before = state; ; before = await this.#remembered()) {
            await this.#refuseForked(before);
            const seen = before && (await this.#verifySeen(before.checkpoint));
            const advance = await this.#compare(seen, shown);
            // Another tab may have got further since this one asked. What was seen before that stays seen.
            if (advance === 'older' && before === state) throw this.#stale(/** @type {Checkpoint} */ (seen), shown);
            // The log's last word about a tree that was seen is remembered too.
            const isClosed = advance === 'same' && shown.retirement && !seen?.retirement;
            if (advance === 'older' || (advance === 'same' && !isClosed)) return { checkpoint: shown, advance };
            const after = { checkpoint: shown.text, evidence: before?.evidence ?? [] };
            if (await this.memory.replace(this.key.name, before, after)) return { checkpoint: shown, advance };
            // Another tab remembered something meanwhile: it is compared with that.
        }
    }

    #remembered() {
        return this.memory.get(this.key.name);
    }

    async #shown() {
        const note = await this.server.ask('checkpoint', NOTE_BYTES_MAX, 'no-cache');
        return verifyCheckpoint(note, this.key).catch((error) => {
            // Half a note, or none, may be a sign-in page. A whole one with another signature is not this log's.
            throw new Refusal(
                error.verdict === 'bad-input' ? 'unknown' : error.verdict,
                `the log's checkpoint does not hold: ${error.message}`,
                error.hint || "check that the key is this log's; if it is, what answers is not the log",
            );
        });
    }

    /** @param {string} note */
    #verifySeen(note) {
        return verifyCheckpoint(note, this.key).catch((error) => {
            throw unknown(
                `the checkpoint of ${this.key.name} that is remembered here does not hold: ${error.message}`,
                "if the log's key changed, its operator can say why; what was seen under the other key proves nothing of this one",
            );
        });
    }

    /** @param {import('./memory.js').State | null} state */
    async #refuseForked(state) {
        for (const evidence of state?.evidence ?? []) {
            if (evidence.finding === 'fork' && (await isFork(evidence, this.key).catch(() => false))) {
                throw refuted(
                    `the log ${this.key.name} was caught with two histories, both of which it signed`,
                    'trust nothing that this log says; publish the evidence, or send it to a witness',
                    { evidence },
                );
            }
        }
    }

    /**
     * @param {Checkpoint | null} seen
     * @param {Checkpoint} shown
     * @returns {Promise<Advance['advance']>}
     */
    async #compare(seen, shown) {
        if (!seen) return 'first';
        const sizes = `the tree of ${seen.size} entries that was seen before, and the one of ${shown.size} that is shown now`;
        if (seen.size === shown.size) {
            // No tile is needed to see that two roots are two.
            if (equal(seen.root, shown.root)) return 'same';
            throw refuted(`the log signed two histories: ${sizes}, have two roots`, TRY_AGAIN, {
                evidence: evidenceOf('fork', this.key, seen, shown),
            });
        }
        const [smaller, larger] = inOrder(seen, shown);
        const isGrown = smaller === seen;
        /** @type {any} */
        const shows = await this.tiles.twice(() => this.#prove(smaller, larger)).catch((error) => error);
        if (shows === null) return isGrown ? 'grown' : 'older';
        if (!(shows instanceof Error)) {
            throw refuted(
                `the log signed two histories: ${sizes}, do not have the same beginning`,
                'trust nothing that this log says: both signed checkpoints are kept',
                { evidence: evidenceOf('fork', this.key, seen, shown, shows) },
            );
        }
        // A log that was set back does not have the tiles of the larger tree any more.
        if (!isGrown) throw this.#stale(seen, shown);
        const { verdict, message, hint, proof } = /** @type {any} */ (shows);
        throw new Refusal(
            verdict === 'refuted' ? verdict : 'unknown',
            `the log does not show that ${sizes}, are of one history: ${message}`,
            hint,
            { evidence: evidenceOf('unproven', this.key, seen, shown, proof) },
        );
    }

    /** @param {Checkpoint} seen @param {Checkpoint} shown */
    #stale(seen, shown) {
        return unknown(
            `the log shows a tree of ${shown.size} entries, and one of ${seen.size} was seen before`,
            'ask again later, or at another address of the log; if it stays so, the log was set back or hides entries',
            { evidence: evidenceOf('stale', this.key, seen, shown) },
        );
    }

    /**
     * What the log's tiles show: null if the smaller tree is the beginning of the larger, or else what that begins with, and
     * the proof. Refused if it is the tiles that don't fit the larger tree.
     * @param {Checkpoint} smaller
     * @param {Checkpoint} larger
     */
    async #prove(smaller, larger) {
        const plan = planConsistency(smaller.size, larger.size);
        const path = await this.tiles.hashes(plan);
        try {
            verifyConsistency(smaller, larger, path);
            return null;
        } catch {
            // Either two signed trees don't fit each other, or the tiles fit neither.
        }
        const root = await this.tiles.hashes(planEdge(smaller.size, larger.size)).then(foldEdge, () => null);
        const proof = root ? { root, path } : undefined;
        if (proof && refutes(proof.root, path, smaller, larger)) return proof;
        const names = tilesOf(plan).map(tilePath).join(', ');
        throw refuted(`its tiles are not those of the tree that it signed (${names})`, TRY_AGAIN, { proof });
    }

    /** @param {import('./evidence.js').Evidence} evidence */
    async #keep(evidence) {
        for (let state; (state = await this.#remembered()); ) {
            const has = state.evidence.some((it) =>
                isSameState(/** @type {any} */ (it), /** @type {any} */ (evidence)),
            );
            if (has || (evidence.finding !== 'fork' && state.evidence.length >= EVIDENCE_MAX)) break;
            const after = { ...state, evidence: [...state.evidence, evidence] };
            if (await this.memory.replace(this.key.name, state, after)) break;
        }
    }
}
