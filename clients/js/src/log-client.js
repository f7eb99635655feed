/**
 * Talks to one log, and believes nothing that its key and its tree do not bear out.
 *
 *     GET /checkpoint ──log key──► checkpoint ──consistency with what was seen──┐
 *     GET /tile/…     ──plan──► proof ──────────────────────────────────────────┼──verify──► proven entry ──► record
 *     GET /tile/entries/… ──► entry ────────────────────────────────────────────┘                                │
 *     GET /api/v1/publishers/… ──► indexes ──► proven entries ──► replay of the publisher's keys ────────────────┘
 *
 * Always: proofs are built here from tiles; the log's own are never asked for. Every answer has a size limit. A record that a
 * proof needs, and that the log leaves out of its lists, makes a verdict `unknown`, never a refutation. A withdrawal that it
 * leaves out is not missed by anybody here, nor is a newer list of keys: `notChecked` says so with each verdict that holds.
 */

import { stateAfter, verifyRecord } from './authority.js';
import { base64, equal, fromBase64, fromHex } from './bytes.js';
import { entryOf, parseEnvelope, recordOf } from './envelope.js';
import { LogHistory } from './log-history.js';
import { Answers, LogServer } from './log-server.js';
import { LogTiles } from './log-tiles.js';
import { defaultMemory } from './memory.js';
import { refuted, unknown, verdictOf } from './refusal.js';
import { leafHash } from './rfc6962.js';
import { parseVerifierKey } from './signed-note.js';
import { withdrawnBy, withdrawnWords } from './standing.js';
import { checkpointGist, plainNumber } from './tlog-checkpoint.js';

/** @typedef {import('./log-history.js').Advance} Advance */

export class LogClient {
    /** Tiles, bundles, records and states of publishers. */
    #answers = new Answers();
    /** @type {Promise<Advance> | undefined} */
    #newest;

    /**
     * @param {{ url: string, key: string, fetch?: typeof fetch, memory?: import('./memory.js').Memory }} options where the
     * log is, and its key: `origin+id+key`
     */
    constructor({ url, key, fetch = globalThis.fetch, memory = defaultMemory() }) {
        this.key = parseVerifierKey(key);
        this.memory = memory;
        this.server = new LogServer(url, fetch);
        this.tiles = new LogTiles(this.server, this.#answers);
    }

    /** Forgets the checkpoint and what came with it, so that the next question is about the log as it is then. */
    refresh() {
        this.#newest = undefined;
        this.#answers.forget();
    }

    /**
     * The newest checkpoint, held against what this memory saw before; the same one for all questions until `refresh`.
     * @returns {Promise<Advance>}
     */
    checkpoint() {
        this.#newest ??= new LogHistory(this.key, this.memory, this.server, this.tiles).advance().catch((error) => {
            this.#newest = undefined;
            throw error;
        });
        return this.#newest;
    }

    /** The same as a verdict. */
    verifyCheckpoint() {
        return this.#verdict(async () => {
            const { checkpoint } = await this.checkpoint();
            return {
                what: `the log ${checkpoint.origin} signed a tree of ${checkpoint.size} entries`,
                detail: `root ${base64(checkpoint.root)}`,
            };
        });
    }

    /**
     * An entry's bytes, proven to be at `index` in the checkpoint's tree.
     * @param {bigint} index
     * @returns {Promise<Uint8Array>}
     */
    entry(index) {
        return this.#answers.once(`entry ${index}`, async () => {
            const { checkpoint } = await this.checkpoint();
            return this.tiles.entry(index, checkpoint);
        });
    }

    /**
     * Whether the record at `index` is in the log, signed by those who had to, not withdrawn, and what somebody shows of
     * it: its entry, its leaf hash (base64 or hexadecimal), or its statement digest.
     * @param {number | bigint} index
     * @param {{ entry?: Uint8Array, leafHash?: string, statement?: string, withdrawn?: boolean }} [shown] `withdrawn`: it is
     * shown as a record that was withdrawn, which takes its withdrawal
     */
    verifyRecord(index, shown = {}) {
        return this.#verdict(async () => {
            const at = BigInt(index);
            const { statement, signedBy, entry } = await this.#record(at);
            const leaf = leafHash(entry);
            checkShown(at, entry, leaf, statement.digest, shown);
            const found = {
                index,
                kind: statement.kind,
                subject: statement.subject,
                publisher: statement.publisher,
                statement: statement.digest,
                predicate: statement.predicate,
                leafHash: base64(leaf),
                signedBy: signedBy.map(({ keyid }) => keyid),
            };
            const what = `the ${statement.kind} record of ${statement.subject.name} is in the log, at entry ${index}, and signed by ${statement.publisher}`;
            const by = await this.#withdrawal(at, statement, signedBy);
            const withdrawn = by && `the record is ${withdrawnWords(by)}`;
            const more = by ? { ...found, withdrawnBy: plainNumber(by.index) } : found;
            if (withdrawn && !shown.withdrawn) throw refuted(withdrawn, "don't rely on it", more);
            if (!withdrawn && shown.withdrawn)
                throw unknown(`${what}, but it is shown as withdrawn, and the log lists no withdrawal`, '', more);
            return {
                what: withdrawn ? `${what}; ${withdrawn}` : what,
                detail: `signed by ${statement.publisher} with the key ${found.signedBy.join(', ')}`,
                notChecked: ["whether the log's lists leave records out"],
                ...more,
            };
        });
    }

    /** A view of the log's API, of which nothing is proven. @param {string} path @returns {Promise<any>} */
    view(path) {
        return this.server.view(path);
    }

    /**
     * A list of the log's API, of which nothing is proven.
     * @param {string} path
     * @param {string} field
     */
    list(path, field) {
        return this.server.list(path, field);
    }

    /**
     * A document, whose bytes are what the digest says.
     * @param {string} digest
     * @param {number} bytesMax
     */
    attachment(digest, bytesMax) {
        return this.server.attachment(digest, bytesMax);
    }

    /**
     * The verdict that a check comes to, with what it was held against.
     * @param {() => Promise<any>} check
     * @returns {Promise<any>}
     */
    async #verdict(check) {
        let checkpoint = null;
        try {
            const advanced = await this.checkpoint();
            checkpoint = checkpointGist(advanced.checkpoint);
            const { what, detail, notChecked = [], ...more } = await check();
            const { size } = advanced.checkpoint;
            if (advanced.advance === 'first') {
                notChecked.push(
                    'whether this is the history that others see: no checkpoint of this log was seen here before',
                );
            }
            if (this.memory.forgets)
                notChecked.push(`what was seen before: nothing is kept here (${this.memory.forgets})`);
            if (advanced.advance === 'older') {
                notChecked.push(
                    `what came after the ${size} entries that the log shows: more of them were seen here meanwhile`,
                );
            }
            return { verdict: 'holds', what, detail, hint: '', checkpoint, notChecked, ...more };
        } catch (error) {
            return { checkpoint, notChecked: [], ...verdictOf(error) };
        }
    }

    /** A record, checked by its publisher's records before it. @param {bigint} index */
    #record(index) {
        return this.#answers.once(`record ${index}`, async () => {
            const entry = await this.entry(index);
            const record = readRecord(index, entry);
            const state = await this.#stateBefore(record.statement.publisher, index);
            return { entry, ...(await this.#checkAuthority(index, record, state)) };
        });
    }

    /** @param {bigint} index @param {import('./envelope.js').SignedRecord} record @param {any} state */
    #checkAuthority(index, record, state) {
        return verifyRecord(record, state).catch((error) => {
            if (error.verdict !== 'refuted') throw error;
            if (error.mayWantForEarlierRecords) {
                throw unknown(
                    `the publisher records that the log lists don't explain entry ${index}: ${error.message}`,
                    'the log leaves records out of its lists, or the entry should not be there',
                );
            }
            throw refuted(
                `entry ${index} should not be in the log: ${error.message}`,
                'the log broke its own rules: tell its operator and a witness',
            );
        });
    }

    /**
     * The state of a publisher after its records before `end`. The log says which those are; it can't make up any.
     * @param {string} name
     * @param {bigint} end
     * @returns {Promise<any>}
     */
    async #stateBefore(name, end) {
        const history = await this.#answers.once(`publisher ${name}`, () =>
            this.server.indexes(`api/v1/publishers/${name}`, 'history', (it) => it),
        );
        let state;
        for (const index of history) {
            if (index >= end) break;
            /** @type {any} */
            const before = state;
            state = await this.#answers.once(`state ${name} ${index}`, async () => {
                const record = readRecord(index, await this.entry(index));
                const { kind, publisher } = record.statement;
                if (kind !== 'publisher' || publisher !== name) {
                    throw refuted(`the log names entry ${index} as a record of publisher ${name}, and it is none`);
                }
                return stateAfter(before, await this.#checkAuthority(index, record, before), index);
            });
        }
        return state;
    }

    /**
     * The withdrawal of a record by its publisher, as the log lists them.
     * @param {bigint} index
     * @param {any} statement
     * @param {any[]} signedBy
     */
    async #withdrawal(index, statement, signedBy) {
        const { release, publisher } = statement;
        if (release === null) return undefined;
        const path = `api/v1/records?limit=500&kind=withdrawal&subject=${encodeURIComponent(release)}&publisher=${publisher}`;
        const listed = await this.#answers.once(path, () => this.server.indexes(path, 'records', (it) => it?.index));
        const records = [];
        for (const at of listed) if (at > index) records.push({ index: at, ...(await this.#record(at)) });
        return withdrawnBy(/** @type {any} */ ({ index, statement, signedBy }), records);
    }
}

/**
 * Reads an entry as a record: it must be in canonical form.
 * @param {bigint} index
 * @param {Uint8Array} entry
 */
function readRecord(index, entry) {
    try {
        const envelope = parseEnvelope(entry);
        if (!equal(entryOf(envelope), entry)) {
            throw refuted(
                'the entry is not in canonical form (RFC 8785): another program wrote it, or somebody changed it',
            );
        }
        return recordOf(envelope);
    } catch (error) {
        throw refuted(
            `entry ${index} is no record: ${/** @type {Error} */ (error).message}`,
            'the log broke its own rules: tell its operator and a witness',
        );
    }
}

/**
 * What somebody shows of a record must be what the log has.
 * @param {bigint} index
 * @param {Uint8Array} entry
 * @param {Uint8Array} leaf
 * @param {string} digest
 * @param {{ entry?: Uint8Array, leafHash?: string, statement?: string }} shown
 */
function checkShown(index, entry, leaf, digest, shown) {
    const differs = (/** @type {string} */ what, /** @type {string} */ here, /** @type {string} */ there) =>
        refuted(
            `what is shown is not entry ${index} of the log: its ${what} is ${here}, and the log's ${there}`,
            "believe the log's record, and not what is shown here",
        );
    if (shown.entry && !equal(shown.entry, entry))
        throw differs('leaf hash', base64(leafHash(shown.entry)), base64(leaf));
    const stated =
        shown.leafHash === undefined
            ? leaf
            : (shown.leafHash.length === 64 && fromHex(shown.leafHash)) || fromBase64(shown.leafHash);
    if (!stated || !equal(stated, leaf)) throw differs('leaf hash', String(shown.leafHash), base64(leaf));
    if (shown.statement !== undefined && shown.statement !== digest)
        throw differs('statement digest', shown.statement, digest);
}
