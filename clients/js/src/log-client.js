/**
 * Talks to one log, and believes nothing that its key and its tree do not bear out.
 *
 *     GET /checkpoint ──log key──► checkpoint ──consistency with what was seen──┐
 *     GET /tile/…     ──plan──► proof ──────────────────────────────────────────┼──verify──► proven entry ──► record
 *     GET /tile/entries/… ──► entry ────────────────────────────────────────────┘                                │
 *     GET /api/v1/publishers/… ──► indexes ──► proven entries ──► replay of the publisher's keys ────────────────┘
 *
 * Always: proofs are built here from tiles; the log's own are never asked for. Every answer has a size limit. What the
 * log leaves out of its lists makes a verdict `unknown`, never a pass and never a refutation.
 */

import { stateAfter, verifyRecord } from './authority.js';
import { base64, equal, fromBase64, fromUtf8, hex, fromHex } from './bytes.js';
import { entryOf, parseEnvelope, recordOf } from './envelope.js';
import { evidenceOf, inOrder, isFork, refutes } from './evidence.js';
import { defaultMemory, isSameState } from './memory.js';
import { refuted, Refusal, unknown } from './refusal.js';
import { foldEdge, leafHash, treeRoot, verifyConsistency, verifyInclusion } from './rfc6962.js';
import { sha256 } from './sha256.js';
import { NOTE_BYTES_MAX, parseVerifierKey } from './signed-note.js';
import { withdrawnBy, withdrawnWords } from './standing.js';
import { checkpointGist, plainNumber, verifyCheckpoint } from './tlog-checkpoint.js';
import {
  entryBundleOf,
  parseEntryBundle,
  parseTile,
  planConsistency,
  planEdge,
  planInclusion,
  proofHashes,
  tilePath,
  tilesAbove,
  tilesOf,
} from './tlog-tiles.js';

const TILE_BYTES_MAX = 256 * 32;
const ENTRY_BUNDLE_BYTES_MAX = 256 * (2 + 65535);
const VIEW_BYTES_MAX = 32 << 20;
const ITEMS_MAX = 20000;
const ANSWERS_KEPT_MAX = 4096;
const RETRIES_MAX = 3;
const RETRY_SECONDS_MAX = 15;
/** Evidence that is no fork is kept up to here, so that a log that lags fills no disk. */
const EVIDENCE_MAX = 32;

const TRY_AGAIN = 'try again; if it stays so, the log is damaged or lies: tell its operator and a witness';

/**
 * @typedef {import('./tlog-checkpoint.js').Checkpoint} Checkpoint
 * @typedef {{ checkpoint: Checkpoint, advance: 'first' | 'same' | 'grown' | 'older' }} Advance
 */

export class LogClient {
  /** What was fetched, by its path: tiles, bundles, replayed states. @type {Map<string, Promise<any>>} */
  #kept = new Map();
  /** @type {Promise<Advance> | undefined} */
  #newest;
  /** How the browser's cache is to be used. @type {RequestCache} */
  #cache = 'default';

  /**
   * @param {{ url: string, key: string, fetch?: typeof fetch, memory?: import('./memory.js').Memory }} options where the
   * log is, and its key: `origin+id+key`
   */
  constructor({ url, key, fetch = globalThis.fetch, memory = defaultMemory() }) {
    this.url = url.replace(/\/+$/, '');
    this.key = parseVerifierKey(key);
    this.memory = memory;
    this.fetch = (/** @type {[any, any]} */ ...request) => fetch(...request);
  }

  /** Forgets the checkpoint and what came with it, so that the next question is about the log as it is then. */
  refresh() {
    this.#newest = undefined;
    this.#forget();
  }

  /**
   * The newest checkpoint, held against what this memory saw before; the same one for all questions until `refresh`.
   * @returns {Promise<Advance>}
   */
  checkpoint() {
    this.#newest ??= this.#advance().catch((error) => {
      this.#newest = undefined;
      throw error;
    });
    return this.#newest;
  }

  /** The same as a verdict. */
  verifyCheckpoint() {
    return this.#verdict(async () => {
      const { checkpoint } = await this.checkpoint();
      return { what: `the log ${checkpoint.origin} signed a tree of ${checkpoint.size} entries`, detail: `root ${base64(checkpoint.root)}` };
    });
  }

  /** An entry's bytes, proven to be at `index` in the checkpoint's tree. @param {bigint} index @returns {Promise<Uint8Array>} */
  entry(index) {
    return this.#once(`entry ${index}`, async () => {
      const { checkpoint } = await this.checkpoint();
      try {
        return await this.#provenEntry(index, checkpoint);
      } catch (error) {
        if (/** @type {any} */ (error).verdict !== 'refuted') throw error;
        // Tiles are not signed: before a log is accused, they are fetched once more, past all caches.
        this.#forget();
        this.#cache = 'reload';
        return await this.#provenEntry(index, checkpoint).finally(() => (this.#cache = 'default'));
      }
    });
  }

  /**
   * Whether the record at `index` is in the log, signed by those who had to, not withdrawn, and what somebody shows of
   * it: its entry, its leaf hash (base64 or hexadecimal), or its statement digest.
   * @param {number | bigint} index
   * @param {{ entry?: Uint8Array, leafHash?: string, statement?: string, standing?: boolean }} [shown] `standing: false`
   * leaves out whether it was withdrawn
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
      const what = `the ${statement.kind} record of ${statement.subject.name} is in the log, at entry ${index}, and signed by those who had to`;
      const notChecked = ["whether the log's lists leave records out"];
      const by = shown.standing === false ? undefined : await this.#withdrawal(at, statement, signedBy);
      if (by) throw refuted(`the record is ${withdrawnWords(by)}`, "don't rely on it", { ...found, withdrawnBy: plainNumber(by.index) });
      if (shown.standing === false) notChecked.push('whether it was withdrawn');
      return { what, detail: `signed by ${statement.publisher} with the key ${found.signedBy.join(', ')}`, notChecked, ...found };
    });
  }

  /** A view of the log's API, which is an index to look things up with: nothing in it is proven. @param {string} path @returns {Promise<any>} */
  async view(path) {
    const bytes = await this.#ask(path, VIEW_BYTES_MAX);
    try {
      const view = JSON.parse(fromUtf8(bytes) ?? '');
      if (typeof view === 'object' && view) return view;
    } catch {
      // It is said below.
    }
    throw this.#unreadable(path, 'it is no JSON object');
  }

  /** A list of the log's API, with all its pages. @param {string} path @param {string} field @returns {Promise<any[]>} */
  async list(path, field) {
    const items = [];
    for (let next = path; next; ) {
      const page = await this.view(next);
      if (!Array.isArray(page[field])) throw this.#unreadable(next, `it has no ${field}`);
      items.push(...page[field]);
      if (items.length > ITEMS_MAX || (page.next && !page[field].length)) throw this.#unreadable(path, 'its list does not end');
      if (page.next && !/^\/api\/v1\/[\x21-\x7e]*$/.test(page.next)) throw this.#unreadable(next, "it names a next page that is none of the API's");
      next = page.next?.slice(1);
    }
    return items;
  }

  /** A document, whose bytes are what the digest says. @param {string} digest @param {number} bytesMax @returns {Promise<Uint8Array>} */
  async attachment(digest, bytesMax) {
    const bytes = await this.#ask(`api/v1/attachments/${digest}`, bytesMax);
    const found = hex(sha256(bytes));
    if (found !== digest) throw unknown(`the log serves attachment ${digest} with bytes whose digest is ${found}`, 'tell its operator');
    return bytes;
  }

  /** The verdict that a check comes to: the one place where a refusal becomes one. @param {() => Promise<any>} check @returns {Promise<any>} */
  async #verdict(check) {
    let checkpoint = null;
    try {
      const advanced = await this.checkpoint();
      checkpoint = checkpointGist(advanced.checkpoint);
      const { what, detail, notChecked = [], ...more } = await check();
      const { size } = advanced.checkpoint;
      if (advanced.advance === 'first') {
        notChecked.push('whether this is the history that others see: no checkpoint of this log was seen here before');
      }
      if (advanced.advance === 'older') {
        notChecked.push(`what came after the ${size} entries that the log shows: more of them were seen here before`);
      }
      return { verdict: 'holds', what, detail, hint: '', checkpoint, notChecked, ...more };
    } catch (error) {
      const { verdict, message, hint, name, ...more } = error instanceof Refusal ? error : unknown(`there is no telling: ${error}`);
      return { verdict: verdict === 'refuted' ? verdict : 'unknown', what: message, detail: message, hint, checkpoint, notChecked: [], ...more };
    }
  }

  // ---- the checkpoint, and what was seen before

  /** @returns {Promise<Advance>} */
  async #advance() {
    const state = await this.#remembered();
    await this.#refuseForked(state);
    const shown = await this.#shown();
    for (let before = state; ; before = await this.#remembered()) {
      await this.#refuseForked(before);
      const seen = before && (await this.#verifySeen(before.checkpoint));
      const advance = await this.#compare(before, seen, shown);
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
    const note = await this.#ask('checkpoint', NOTE_BYTES_MAX, 'no-cache');
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

  /** @param {import('./memory.js').State | null} before @param {Checkpoint | null} seen @param {Checkpoint} shown @returns {Promise<Advance['advance']>} */
  async #compare(before, seen, shown) {
    if (!seen) return 'first';
    const sizes = `the tree of ${seen.size} entries that was seen before, and the one of ${shown.size} that is shown now`;
    if (seen.size === shown.size) {
      // No tile is needed to see that two roots are two.
      if (equal(seen.root, shown.root)) return 'same';
      return this.#accuse(before, evidenceOf('fork', this.key, seen, shown), refuted(`the log signed two histories: ${sizes}, have two roots`, TRY_AGAIN));
    }
    const [smaller, larger] = inOrder(seen, shown);
    const isGrown = smaller === seen;
    for (let isFirst = true; ; isFirst = false) {
      let path;
      try {
        path = await this.#hashes(planConsistency(smaller.size, larger.size));
      } catch (error) {
        const { message, hint } = /** @type {Refusal} */ (error);
        return this.#accuse(before, evidenceOf(isGrown ? 'unproven' : 'stale', this.key, seen, shown),
          unknown(`the log does not show that ${sizes}, are of one history: ${message}`, hint));
      }
      try {
        verifyConsistency(smaller, larger, path);
        return isGrown ? 'grown' : 'older';
      } catch {
        // What the larger tree begins with, by its own tiles, says whether it is the signed trees that don't fit, or the tiles.
      }
      const root = await this.#hashes(planEdge(smaller.size, larger.size)).then(foldEdge, () => null);
      if (root && refutes(root, path, smaller, larger)) {
        return this.#accuse(before, evidenceOf('fork', this.key, seen, shown, { root, path }),
          refuted(`the log signed two histories: ${sizes}, do not have the same beginning`, 'trust nothing that this log says: both signed checkpoints are kept'));
      }
      if (isFirst) {
        this.#forget();
        this.#cache = 'reload';
        continue;
      }
      this.#cache = 'default';
      const tiles = tilesOf(planConsistency(smaller.size, larger.size)).map(tilePath).join(', ');
      const what = `the log does not show that ${sizes}, are of one history: its tiles are not those of the tree that it signed (${tiles})`;
      return this.#accuse(before, evidenceOf(isGrown ? 'unproven' : 'stale', this.key, seen, shown, root ? { root, path } : undefined),
        isGrown ? refuted(what, TRY_AGAIN) : unknown(what, TRY_AGAIN));
    }
  }

  /** Keeps the evidence, and throws. @param {import('./memory.js').State | null} before @param {import('./evidence.js').Evidence} evidence @param {Refusal} refusal @returns {Promise<never>} */
  async #accuse(before, evidence, refusal) {
    for (let state = before; state; state = await this.#remembered()) {
      const has = state.evidence.some((it) => isSameState(/** @type {any} */ (it), /** @type {any} */ (evidence)));
      if (has || (evidence.finding !== 'fork' && state.evidence.length >= EVIDENCE_MAX)) break;
      const after = { ...state, evidence: [...state.evidence, evidence] };
      if (await this.memory.replace(this.key.name, state, after)) break;
    }
    throw Object.assign(refusal, { evidence });
  }

  // ---- entries and records

  /** @param {bigint} index @param {Checkpoint} checkpoint */
  async #provenEntry(index, { size, root }) {
    if (index < 0n || index >= size) {
      throw unknown(`entry ${index} is not in the tree that the log signed, which has ${size} entries`, 'try again later');
    }
    const place = entryBundleOf(index, size);
    const [entries, path] = await Promise.all([this.#pieces(place, parseEntryBundle, ENTRY_BUNDLE_BYTES_MAX), this.#hashes(planInclusion(index, size))]);
    const entry = entries[Number(index % 256n)];
    try {
      verifyInclusion({ index, size, leaf: leafHash(entry), path, root });
      return entry;
    } catch (error) {
      const where = await this.#blame(index, size, leafHash(entry), place).catch(() => '');
      throw refuted(`entry ${index}, as the log serves it, is not in the tree of ${size} entries that the log signed: ${/** @type {Error} */ (error).message}${where}`, TRY_AGAIN);
    }
  }

  /** Which of what the log serves contradict each other: an entry and its tile, or a tile and the one above it. @param {bigint} index @param {bigint} size @param {Uint8Array} leaf @param {import('./tlog-tiles.js').Tile} place */
  async #blame(index, size, leaf, place) {
    let [below, hash, at] = [tilePath(place), leaf, index];
    for (const tile of tilesAbove(index, size)) {
      const hashes = await this.#tile(tile);
      if (!equal(hashes[Number(at % 256n)], hash)) return `; ${below} is not what ${tilePath(tile)} says`;
      if (tile.width < 256) return `; ${below} is what ${tilePath(tile)} says, and the tiles do not lead to the signed root`;
      [below, hash, at] = [tilePath(tile), treeRoot(hashes), at / 256n];
    }
    return '';
  }

  /** A record, checked by its publisher's records before it. @param {bigint} index */
  #record(index) {
    return this.#once(`record ${index}`, async () => {
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
        throw unknown(`the publisher records that the log lists don't explain entry ${index}: ${error.message}`, 'the log leaves records out of its lists, or the entry should not be there');
      }
      throw refuted(`entry ${index} should not be in the log: ${error.message}`, 'the log broke its own rules: tell its operator and a witness');
    });
  }

  /** The state of a publisher after its records before `end`. The log says which those are; it can't make up any. @param {string} name @param {bigint} end @returns {Promise<any>} */
  async #stateBefore(name, end) {
    const history = await this.#once(`publisher ${name}`, () => this.#indexes(`api/v1/publishers/${name}`, 'history', (it) => it));
    let state;
    for (const index of history) {
      if (index >= end) break;
      /** @type {any} */
      const before = state;
      state = await this.#once(`state ${name} ${index}`, async () => {
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

  /** The withdrawal of a record by its publisher, as the log lists them. @param {bigint} index @param {any} statement @param {any[]} signedBy */
  async #withdrawal(index, statement, signedBy) {
    const { release, publisher } = statement;
    if (release === null) return undefined;
    const path = `api/v1/records?limit=500&kind=withdrawal&subject=${encodeURIComponent(release)}&publisher=${publisher}`;
    const listed = await this.#once(path, () => this.#indexes(path, 'records', (it) => it?.index));
    const records = [];
    for (const at of listed) if (at > index) records.push({ index: at, ...(await this.#record(at)) });
    return withdrawnBy(/** @type {any} */ ({ index, statement, signedBy }), records);
  }

  /** The indexes in a list, in order and each once; none of what the log says that it does not have. @param {string} path @param {string} field @param {(item: any) => any} indexOf @returns {Promise<bigint[]>} */
  async #indexes(path, field, indexOf) {
    const items = await this.list(path, field).catch((error) => {
      if (error.isAbsence) return [];
      throw error;
    });
    const indexes = items.map(indexOf);
    if (!indexes.every((index) => Number.isSafeInteger(index) && index >= 0)) throw this.#unreadable(path, `its ${field} are no indexes`);
    return [...new Set(indexes)].sort((a, b) => a - b).map(BigInt);
  }

  // ---- tiles

  /** The hashes of a planned proof. @param {import('./tlog-tiles.js').Plan} plan */
  async #hashes(plan) {
    const tiles = await Promise.all(tilesOf(plan).map(async (tile) => /** @type {const} */ ([tilePath(tile), await this.#tile(tile)])));
    return proofHashes(plan, new Map(tiles));
  }

  /** @param {import('./tlog-tiles.js').Tile} tile */
  #tile(tile) {
    return this.#pieces(tile, parseTile, TILE_BYTES_MAX);
  }

  /**
   * The pieces of a tile or an entry bundle. A log may drop a partial one once the full one is there, so that is tried
   * second ("Partial Tiles").
   * @param {import('./tlog-tiles.js').Tile} tile @param {(bytes: Uint8Array, width: number) => Uint8Array[]} parse @param {number} bytesMax @returns {Promise<Uint8Array[]>}
   */
  #pieces(tile, parse, bytesMax) {
    const path = tilePath(tile);
    return this.#once(path, async () => {
      const read = async (/** @type {number} */ width) => {
        const from = tilePath({ ...tile, width });
        const bytes = await this.#ask(from, bytesMax);
        try {
          return parse(bytes, width);
        } catch (error) {
          throw this.#unreadable(from, /** @type {Error} */ (error).message);
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

  // ---- asking

  /** @template T @param {string} name @param {() => Promise<T>} make @returns {Promise<T>} */
  #once(name, make) {
    let found = this.#kept.get(name);
    if (!found) {
      if (this.#kept.size >= ANSWERS_KEPT_MAX) this.#forget();
      const making = make().catch((error) => {
        if (this.#kept.get(name) === making) this.#kept.delete(name);
        throw error;
      });
      this.#kept.set(name, (found = making));
    }
    return found;
  }

  #forget() {
    this.#kept.clear();
  }

  /** @param {string} path @param {string} reason */
  #unreadable(path, reason) {
    return unknown(`the answer from ${this.url}/${path} can't be read: ${reason}`, "check that the address is a Candor log's");
  }

  /** Asks, and asks again while the log says to be overloaded. @param {string} path @param {number} bytesMax @param {RequestCache} [cache] */
  async #ask(path, bytesMax, cache = this.#cache) {
    const url = `${this.url}/${path}`;
    for (let tries = 0; ; tries++) {
      let answer;
      try {
        // Nobody but this log is asked, and nobody learns who asks.
        answer = await this.fetch(url, { cache, credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' });
        if (answer.status === 200) return await readBody(answer, bytesMax);
      } catch (error) {
        throw unknown(`${url} can't be had: ${/** @type {Error} */ (error).message}`, 'check the network and the address, and try again');
      }
      const wait = Number(answer.headers.get('retry-after'));
      if (answer.status === 503 && wait > 0 && tries < RETRIES_MAX) {
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(wait, RETRY_SECONDS_MAX)));
        continue;
      }
      const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json');
      const problem = isProblem ? await answer.json().catch(() => null) : null;
      const isAbsence = answer.status === 404 && problem?.type === 'urn:candor:problem:not-found';
      const said = typeof problem?.detail === 'string' ? `: the log says: ${problem.detail}` : '';
      throw unknown(`${url} answers with status ${answer.status}${said}`, 'try again later, or tell the log\'s operator', {
        isAbsence,
        // Tiles may be plain files behind any server, which has words of its own for what is not there.
        isMissing: [403, 404, 410].includes(answer.status),
      });
    }
  }
}

/** All of an answer, if it is not longer than it may be. @param {Response} answer @param {number} bytesMax */
async function readBody(answer, bytesMax) {
  const reader = answer.body?.getReader();
  const parts = [];
  let length = 0;
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    length += part.value.length;
    if (length > bytesMax) {
      await reader?.cancel();
      throw new Error(`it has more than ${bytesMax} bytes`);
    }
    parts.push(part.value);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

/** Reads an entry as a record: it must be in canonical form. @param {bigint} index @param {Uint8Array} entry */
function readRecord(index, entry) {
  try {
    const envelope = parseEnvelope(entry);
    if (!equal(entryOf(envelope), entry)) {
      throw refuted('the entry is not in canonical form (RFC 8785): another program wrote it, or somebody changed it');
    }
    return recordOf(envelope);
  } catch (error) {
    throw refuted(`entry ${index} is no record: ${/** @type {Error} */ (error).message}`, 'the log broke its own rules: tell its operator and a witness');
  }
}

/** What somebody shows of a record must be what the log has. @param {bigint} index @param {Uint8Array} entry @param {Uint8Array} leaf @param {string} digest @param {{ entry?: Uint8Array, leafHash?: string, statement?: string }} shown */
function checkShown(index, entry, leaf, digest, shown) {
  const differs = (/** @type {string} */ what, /** @type {string} */ here, /** @type {string} */ there) =>
    refuted(`what is shown is not entry ${index} of the log: its ${what} is ${here}, and the log's ${there}`, 'believe the log\'s record, and not what is shown here');
  if (shown.entry && !equal(shown.entry, entry)) throw differs('leaf hash', base64(leafHash(shown.entry)), base64(leaf));
  const stated = shown.leafHash === undefined ? leaf : (shown.leafHash.length === 64 && fromHex(shown.leafHash)) || fromBase64(shown.leafHash);
  if (!stated || !equal(stated, leaf)) throw differs('leaf hash', String(shown.leafHash), base64(leaf));
  if (shown.statement !== undefined && shown.statement !== digest) throw differs('statement digest', shown.statement, digest);
}
