/**
 * in-toto Statement v1, restricted to what a record is: one subject, one of seven predicates.
 */

import { compareUtf8, fromUtf8, hex, utf8 } from './bytes.js';
import { canonicalJson, isObject, parseJson } from './json.js';
import { isStrong, KINDS } from './kinds.js';
import { isPlainText, isPublisherName, isReleaseName, publisherOf } from './names.js';
import { refuted, shortened } from './refusal.js';
import { sha256 } from './sha256.js';

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';

/**
 * @typedef {{
 *   digest: string, kind: string, subject: { name: string, sha256: string }, predicate: any, publisher: string,
 *   release: string | null, attachments: { size: number, sha256: string }[],
 * }} Statement `digest` is of the payload's bytes; `publisher` has to sign it; `release` is what it is about.
 */

/**
 * Reads a payload: its form, and the rules that tie its parts together.
 * @param {Uint8Array} payload
 * @returns {Statement}
 */
export function parseStatement(payload) {
    let json;
    try {
        json = parseJson(payload);
    } catch (error) {
        throw refuted(`the payload is not strict JSON: ${/** @type {Error} */ (error).message}`);
    }
    if (!isObject(json)) throw refuted('/: a statement is an object with _type, subject, predicateType and predicate');
    const { predicate } = json;
    const [type, predicateType] = [json._type, json.predicateType].map((it) => (typeof it === 'string' ? it : ''));
    if (type !== STATEMENT_TYPE) {
        throw refuted(`/_type: it is ${shortened(type, 100)}, and only ${JSON.stringify(STATEMENT_TYPE)} is taken`);
    }
    const kind = /^urn:candor:([a-z-]+):v1$/.exec(predicateType)?.[1] ?? '';
    if (!Object.hasOwn(KINDS, kind)) {
        throw refuted(
            `/predicateType: ${shortened(predicateType, 100)} is none of the kinds that the log takes: urn:candor:KIND:v1 with KIND one of ${Object.keys(KINDS).join(', ')}`,
        );
    }
    const subject = readSubject(kind, json.subject);
    const fault = KINDS[kind](predicate);
    if (fault !== null)
        throw refuted(`/predicate: what is at ${fault || '/'} is missing, or not what a ${kind} record has there`);
    const isPublisher = kind === 'publisher';
    const release = isPublisher ? null : subject.name;
    const statement = {
        digest: hex(sha256(payload)),
        kind,
        subject,
        predicate,
        release,
        publisher: hasAuthor(kind) ? predicate.author : release === null ? subject.name : publisherOf(release),
        attachments: attachmentsOf(kind, predicate).map(({ size, digest }) => ({ size, sha256: digest.sha256 })),
    };
    checkRules(statement);
    return statement;
}

/** Whether a record says who makes it; all else is the namespace's. @param {string} kind */
const hasAuthor = (kind) => kind === 'evaluation' || kind === 'withdrawal';

/** @param {string} kind @param {any} subjects */
function readSubject(kind, subjects) {
    const subject = Array.isArray(subjects) && subjects.length === 1 && isObject(subjects[0]) ? subjects[0] : {};
    const name = subject.name;
    const digest = isObject(subject.digest) ? subject.digest.sha256 : undefined;
    if (typeof name !== 'string' || typeof digest !== 'string') {
        throw refuted('/subject: a record is about exactly one subject, with a name and a sha256 digest');
    }
    if (!(kind === 'publisher' ? isPublisherName : isReleaseName)(name)) {
        throw refuted(
            `/subject/0/name: ${shortened(name, 100)} is no name of a ${kind === 'publisher' ? kind : 'release'}`,
        );
    }
    if (!/^[0-9a-f]{64}$/.test(digest)) {
        throw refuted(
            `/subject/0/digest/sha256: a SHA-256 digest is 64 lower-case hexadecimal digits, and ${shortened(digest)} is not`,
        );
    }
    return { name, sha256: digest };
}

/**
 * The documents that a predicate names, which are stored with it.
 * @param {string} kind
 * @param {any} predicate
 */
function attachmentsOf(kind, predicate) {
    const { document, manifest, chunks, tensors, rawResults } = predicate;
    /** @type {Record<string, any[]>} */
    const named = {
        'model-card': [document],
        'training-config': [document],
        weights: [manifest, chunks?.list, tensors?.list],
        evaluation: [rawResults],
    };
    return (named[kind] ?? []).filter((it) => it != null);
}

/** The rules that no schema can express. @param {Statement} statement */
function checkRules({ kind, subject, predicate, release, publisher }) {
    const rule = (/** @type {string} */ pointer, /** @type {string} */ what) => refuted(`${pointer}: ${what}`);
    for (const { name } of attachmentsOf(kind, predicate)) {
        if (!isPlainText(name))
            throw rule('/predicate', `the attachment's name ${shortened(name, 200)} can't be shown`);
    }
    const subjectIs = (/** @type {string} */ digest, /** @type {string} */ what) => {
        if (subject.sha256 !== digest) throw rule('/subject/0/digest/sha256', `it must be ${what}`);
    };
    if (kind === 'publisher') {
        if (!isPlainText(predicate.displayName)) throw rule('/predicate/displayName', "the name can't be shown");
        if (!predicate.keys.length) throw rule('/predicate/keys', 'a publisher has at least one key');
    }
    if (kind === 'publisher' || kind === 'api-version') {
        if (
            kind === 'api-version' &&
            predicate.validUntil != null &&
            !isLater(predicate.validUntil, predicate.validFrom)
        ) {
            throw rule('/predicate/validUntil', 'it must be later than validFrom');
        }
        // For subjects that have no bytes of their own: they are what the predicate says.
        const expected = hex(sha256(utf8(canonicalJson(predicate))));
        subjectIs(expected, `the SHA-256 of the predicate as canonical JSON (RFC 8785), which is ${expected}`);
    }
    if (kind === 'model-card' || kind === 'training-config') {
        subjectIs(predicate.document.digest.sha256, 'the digest of the attachment at /predicate/document');
    }
    if (kind === 'weights') {
        if (predicate.algorithms.some(isStrong) !== (predicate.strength === 'strong')) {
            throw rule('/predicate/strength', 'it is "strong" if and only if one of the algorithms is');
        }
        checkParents(/** @type {string} */ (release), predicate.parents ?? []);
        subjectIs(predicate.manifest.digest.sha256, 'the digest of the attachment at /predicate/manifest');
    }
    if (kind === 'evaluation' && predicate.outcome !== 'reported' && predicate.answers == null) {
        throw rule('/predicate/answers', 'an outcome other than "reported" names the record that it answers');
    }
    if (
        kind === 'withdrawal' &&
        predicate.scope === 'release' &&
        publisherOf(/** @type {string} */ (release)) !== publisher
    ) {
        throw rule(
            '/predicate/scope',
            'only the publisher of a release withdraws all of it; others withdraw their own records ("record")',
        );
    }
}

/** What can be known of a list of parents without a log. @param {string} release @param {any[]} parents */
function checkParents(release, parents) {
    const seen = new Set();
    parents.forEach((parent, n) => {
        const pointer = `/predicate/parents/${n}/release`;
        if (parent.release === release) throw refuted(`${pointer}: ${release} is not made from itself`);
        const name = `${parent.relation} ${parent.release}`;
        if (seen.has(name)) throw refuted(`${pointer}: ${parent.release} is named as ${parent.relation} twice`);
        seen.add(name);
    });
}

/**
 * RFC 3339 in UTC: the first 19 characters, to the second, sort as the times do.
 * @param {string} until
 * @param {string} from
 */
function isLater(until, from) {
    const [a, b] = [until, from].map((time) => (utf8(time).length < 19 ? null : fromUtf8(utf8(time).subarray(0, 19))));
    return a !== null && (b === null || compareUtf8(a, b) > 0);
}
