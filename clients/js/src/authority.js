/**
 * Who may sign what. The rules, which anybody can replay from the entries of a log in their order:
 *
 * 1. A record is signed by its publisher: for cards, weights, configs and API versions the namespace of the release,
 *    for evaluations and withdrawals their stated author.
 * 2. The first `publisher` record of a name registers it, and is signed by every key that it lists.
 * 3. Every further one states the digest of the one before it, is signed by a key that one lists, and by every key that
 *    is new. From then on only the keys that it lists count.
 * 4. A key that was taken off the list never comes back.
 */

import { isCanonicalS, verifyEd25519 } from './ed25519.js';
import { signedBytes } from './envelope.js';
import { keyFromDer } from './kinds.js';
import { refuted } from './refusal.js';

/**
 * @typedef {{ keyid: string, key: Uint8Array }} PublicKey
 *
 * What the log says of a publisher after some of its entries: the digest and the index of its newest `publisher` record,
 * its keys by that, and those that no longer count since the entry `at`.
 * @typedef {{ name: string, record: string, at: bigint, keys: PublicKey[], retired: (PublicKey & { at: bigint })[] }} PublisherState
 *
 * @typedef {import('./envelope.js').SignedRecord & { signedBy: PublicKey[] }} VerifiedRecord
 */

// An earlier `publisher` record that was not looked at could make it right: who was told which records there are, and
// did not see all entries, can't take such an error for a refutation.
const MAY_WANT = { mayWantForEarlierRecords: true };

/** @param {any[]} keys of a predicate that was read @returns {PublicKey[]} */
const keysOf = (keys) =>
    keys.map(({ keyid, publicKey }) => ({ keyid, key: /** @type {Uint8Array} */ (keyFromDer(publicKey)) }));

/**
 * Checks that those signed who had to, by the state of the record's publisher after all entries before it; none while
 * the log has no `publisher` record of that name.
 * @param {import('./envelope.js').SignedRecord} record
 * @param {PublisherState} [state]
 * @returns {Promise<VerifiedRecord>}
 */
export async function verifyRecord({ envelope, statement }, state) {
    const { kind, predicate, publisher } = statement;
    const listed = kind === 'publisher' ? keysOf(predicate.keys) : [];
    const signatures = new Signatures(envelope, [...listed, ...(state?.keys ?? [])]);
    let signedBy;
    if (kind !== 'publisher') {
        if (!state) throw refuted(`no publisher ${publisher} is registered with this log`, '', MAY_WANT);
        signedBy = await signatures.byAnyCurrent(state);
    } else if (!state) {
        if (predicate.previous != null) {
            throw refuted(`the record follows ${predicate.previous}, and ${publisher} has no record yet`, '', MAY_WANT);
        }
        checkDistinct(listed);
        signedBy = await signatures.byEach(listed);
    } else {
        checkSuccession(predicate, listed, state);
        const isNew = (/** @type {PublicKey} */ key) => !state.keys.some(({ keyid }) => keyid === key.keyid);
        signedBy = [...(await signatures.byAnyCurrent(state)), ...(await signatures.byEach(listed.filter(isNew)))];
    }
    return { envelope, statement, signedBy };
}

/** @param {any} predicate @param {PublicKey[]} listed @param {PublisherState} state */
function checkSuccession(predicate, listed, state) {
    if (predicate.previous !== state.record) {
        throw refuted(
            `${state.name} is registered already: its newest record is ${state.record} (entry ${state.at}), and this one follows ${predicate.previous ?? 'none'}`,
            '',
            MAY_WANT,
        );
    }
    checkDistinct(listed);
    for (const { keyid } of listed) {
        const retired = state.retired.find((it) => it.keyid === keyid);
        if (retired)
            throw refuted(`the key ${keyid} was taken off the list by entry ${retired.at}, and can't come back`);
    }
}

/** @param {PublicKey[]} keys */
function checkDistinct(keys) {
    const twice = keys.find(({ keyid }, n) => keys.findIndex((it) => it.keyid === keyid) < n);
    if (twice) throw refuted(`the key ${twice.keyid} is listed twice`);
}

/**
 * The state after a record that was verified against `before` and stands at `at`: unchanged if it is no `publisher`
 * record.
 * @param {PublisherState | undefined} before @param {VerifiedRecord} record @param {bigint} at
 */
export function stateAfter(before, { statement }, at) {
    if (statement.kind !== 'publisher') return before;
    const keys = keysOf(statement.predicate.keys);
    const gone = (before?.keys ?? []).filter((key) => !keys.some(({ keyid }) => keyid === key.keyid));
    const retired = [...(before?.retired ?? []), ...gone.map((key) => ({ ...key, at }))];
    return { name: statement.subject.name, record: statement.digest, at, keys, retired };
}

/**
 * Why a signature by a key does not count; null if it does.
 * @param {PublicKey} key
 * @param {Uint8Array} message
 * @param {Uint8Array} sig
 */
async function faultOf({ key }, message, sig) {
    if (sig.length !== 64) return `it has ${sig.length} bytes instead of 64`;
    if (!isCanonicalS(sig)) return 'its S is not below the order of the group (RFC 8032 section 5.1.7)';
    return (await verifyEd25519(key, message, sig)) ? null : 'it is not over this payload by this key';
}

/** The signatures of an envelope, and the keys that could have made them. */
class Signatures {
    /** @param {import('./envelope.js').Envelope} envelope @param {PublicKey[]} candidates */
    constructor({ payload, signatures }, candidates) {
        this.message = signedBytes(payload);
        this.all = signatures;
        this.candidates = new Set(candidates.map(({ keyid }) => keyid));
    }

    /**
     * Whether `key` signed. A signature that names it as its own and does not hold is an error.
     *
     * Key IDs are only hints, so a signature whose ID says nothing is tried with every key. One that names another key
     * which could have signed is left to that key: it holds there, or the record is refused.
     * @param {PublicKey} key
     */
    async by(key) {
        for (const { keyid, sig } of this.all) {
            const isNamed = keyid === key.keyid;
            if (!isNamed && this.candidates.has(keyid)) continue;
            const fault = await faultOf(key, this.message, sig);
            if (fault === null) return true;
            if (isNamed) throw refuted(`the signature by key ${keyid} does not hold: ${fault}`);
        }
        return false;
    }

    /** @param {PublicKey[]} keys */
    async byEach(keys) {
        for (const key of keys) {
            if (!(await this.by(key)))
                throw refuted(`the key ${key.keyid} is new, and has not signed this record itself`, '', MAY_WANT);
        }
        return keys;
    }

    /** @param {PublisherState} state */
    async byAnyCurrent({ name, keys, retired }) {
        const signed = [];
        for (const key of keys) if (await this.by(key)) signed.push(key);
        if (signed.length) return signed;
        // Only for the message, so only those that a signature names.
        for (const key of retired) {
            const named = this.all.find(({ keyid }) => keyid === key.keyid);
            if (!named) continue;
            const fault = await faultOf(key, this.message, named.sig);
            if (fault !== null) throw refuted(`the signature by key ${key.keyid} does not hold: ${fault}`);
            throw refuted(`the key ${key.keyid} is no longer a key of ${name}: entry ${key.at} took it off the list`);
        }
        const keyids = this.all.map(({ keyid }) => keyid.slice(0, 64) || 'none').join(', ');
        throw refuted(`none of the signatures is by a key of ${name} (key ids on the record: ${keyids})`, '', MAY_WANT);
    }
}
