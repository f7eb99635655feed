/**
 * What became of a release: which of its records were withdrawn, and by whom; and whether the log has what its records
 * name as parents. Reads nothing but verified records.
 *
 * @typedef {{ index: bigint } & import('./authority.js').VerifiedRecord} LoggedRecord
 */

import { saysWhatAReleaseIs } from './kinds.js';
import { plain } from './refusal.js';

/**
 * The withdrawal that covers a record, if one of `records` does; of several, the first.
 * @param {LoggedRecord} logged
 * @param {LoggedRecord[]} records
 */
export const withdrawnBy = ({ index, statement }, records) =>
    records.find(
        (it) =>
            it.statement.kind === 'withdrawal' &&
            it.statement.publisher === statement.publisher &&
            it.statement.release === statement.release &&
            it.index > index &&
            (it.statement.predicate.scope === 'release' || it.statement.subject.sha256 === statement.digest),
    );

/**
 * The withdrawal of the whole release by its publisher.
 * @param {string} release
 * @param {LoggedRecord[]} records
 */
export const releaseWithdrawnBy = (release, records) =>
    records.find(
        // Only the publisher of a release signs such a statement: others' are not well-formed.
        ({ statement }) =>
            statement.kind === 'withdrawal' && statement.predicate.scope === 'release' && statement.release === release,
    );

/**
 * Whether a release falls with a record about it: with its weights and its card it does, with the rest of what its
 * publisher says it is only where neither of those is left.
 * @param {LoggedRecord} logged @param {LoggedRecord[]} records
 */
export function isCarriedBy({ statement: { kind, release } }, records) {
    const carries = (/** @type {string} */ it) => it === 'weights' || it === 'model-card';
    if (carries(kind)) return true;
    if (kind !== 'training-config' && kind !== 'api-version') return false;
    return !records.some(
        (it) => carries(it.statement.kind) && it.statement.release === release && !withdrawnBy(it, records),
    );
}

/** `withdrawn by entry 12 (security): …`. @param {LoggedRecord} by */
export function withdrawnWords({ index, statement: { predicate } }) {
    const explanation = plain(predicate.explanation.replace(/\s+/g, ' ').trim());
    const instead = predicate.replacement ? ` Use ${predicate.replacement} instead.` : '';
    return `withdrawn by entry ${index} (${predicate.reason}): ${explanation}${instead && !/[.!?]$/.test(explanation) ? '.' : ''}${instead}`;
}

const EDGES_MAX = 4000;
const NODES_MAX = 1001;

/**
 * The parents of a release, of its parents and so on, that are not in the log as they are named: in words.
 * @param {string} release @param {LoggedRecord[]} records
 */
export function refutedParents(release, records) {
    /** @type {Map<string, LoggedRecord[]>} */
    const byRelease = new Map();
    for (const logged of records) {
        const about = logged.statement.release;
        if (about !== null) byRelease.set(about, [...(byRelease.get(about) ?? []), logged]);
    }
    const faults = [];
    const nodes = [release];
    let edges = 0;
    for (let n = 0; n < nodes.length; n++) {
        for (const { by, parent, isRecord } of namedParents(byRelease.get(nodes[n]) ?? [])) {
            const isNew = !nodes.includes(parent.release);
            if (edges >= EDGES_MAX || (isNew && nodes.length >= NODES_MAX)) continue;
            edges++;
            if (isNew) nodes.push(parent.release);
            const fault = isRecord && parentFault(parent, by.index, records);
            if (fault)
                faults.push(`${nodes[n]} names ${parent.release} as its parent (${parent.relation}), and ${fault}`);
        }
    }
    return faults;
}

/**
 * The parents that the records about a release name. What the weights and the training config both say is one.
 * @param {LoggedRecord[]} about
 */
function namedParents(about) {
    const named = about
        .filter(({ statement }) => statement.kind === 'weights')
        .flatMap((by) =>
            (by.statement.predicate.parents ?? []).map((/** @type {any} */ parent) => ({ by, parent, isRecord: true })),
        );
    for (const by of about.filter(({ statement }) => statement.kind === 'training-config')) {
        for (const parent of by.statement.predicate.parents ?? []) {
            const isSame = (/** @type {any} */ it) =>
                it.parent.relation === parent.relation && it.parent.release === parent.release;
            if (!named.some(isSame)) named.push({ by, parent, isRecord: false });
        }
    }
    return named;
}

/**
 * How what the log has is not the parent that the record at `child` names.
 * @param {any} parent
 * @param {bigint} child
 * @param {LoggedRecord[]} records
 */
function parentFault(parent, child, records) {
    const index = BigInt(parent.index);
    // It is in the tree, so what stands behind it is refuted without a look.
    if (index >= child) return `entry ${index} does not stand before entry ${child}, which names it`;
    const found = records.find((it) => it.index === index)?.statement;
    if (!found) return null;
    if (found.digest !== parent.statement)
        return `entry ${index} has the statement digest ${found.digest}, and not ${parent.statement}`;
    if (found.subject.name !== parent.release)
        return `entry ${index} is about ${found.subject.name}, and not about ${parent.release}`;
    if (!saysWhatAReleaseIs(found.kind)) {
        return `entry ${index} is a record of the kind ${found.kind}, and a parent is named by its weights, model-card or api-version record`;
    }
    return null;
}
