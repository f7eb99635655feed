/**
 * The seven kinds of records: which fields the predicate of each has. Fields that are not known are ignored, so that a
 * reader of today still reads what a later `v1` schema adds.
 *
 * A shape answers null to what it fits, or else where it does not: a JSON pointer into the value.
 * @typedef {(value: any) => string | null} Shape
 */

import { fromBase64, hex, utf8 } from './bytes.js';
import { isUsablePoint } from './ed25519.js';
import { Double, isObject } from './json.js';
import { isFilePath, isPublisherName, isReleaseName } from './names.js';
import { sha256 } from './sha256.js';

/** @param {(value: any) => boolean} is @returns {Shape} */
const that = (is) => (value) => (is(value) ? null : '');

export const text = that((value) => typeof value === 'string');
export const count = that((value) => Number.isInteger(value) && value >= 0);
export const digest = that((value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value));
const whole = that(Number.isInteger);
const number = that((value) => typeof value === 'number' || value instanceof Double);
const flag = that((value) => typeof value === 'boolean');
export const anything = that((value) => value !== undefined);
const publisherName = that(isPublisherName);
export const releaseName = that(isReleaseName);
export const filePath = that(isFilePath);
const free = that(isObject);
const word = (/** @type {string[]} */ ...words) => that((value) => words.includes(value));

/** Null stands for what is not there. @param {Shape} shape @returns {Shape} */
export const maybe = (shape) => (value) => (value == null ? null : shape(value));
/** May be left out, and not be null. @param {Shape} shape @returns {Shape} */
export const some = (shape) => (value) => (value === undefined ? null : shape(value));

/** @param {Shape} item @returns {Shape} */
export const list = (item) => (value) => {
    if (!Array.isArray(value)) return '';
    for (const [n, it] of value.entries()) {
        const fault = item(it);
        if (fault !== null) return `/${n}${fault}`;
    }
    return null;
};

/** @param {Record<string, Shape>} fields @returns {Shape} */
export const object = (fields) => (value) => {
    if (!isObject(value)) return '';
    for (const [name, shape] of Object.entries(fields)) {
        const fault = shape(value[name]);
        if (fault !== null) return `/${name}${fault}`;
    }
    return null;
};

/** An object that has no other fields. @param {Record<string, Shape>} fields @returns {Shape} */
export const exactly = (fields) => (value) => {
    const other = isObject(value) && Object.keys(value).find((name) => !Object.hasOwn(fields, name));
    return other === undefined || other === false ? object(fields)(value) : `/${other}`;
};

/** The lengths of digests in hexadecimal digits; of git's objects by SHA-1 or SHA-256. */
const DIGITS = /** @type {Record<string, number[]>} */ ({
    md5: [32],
    sha1: [40],
    sha224: [56],
    sha256: [64],
    sha384: [96],
    sha512: [128],
    blake2b: [128],
    blake3: [64],
    gitCommit: [40, 64],
    gitTree: [40, 64],
    gitBlob: [40, 64],
});

/** Names of digest algorithms, in the order in which records have them. */
export const ALGORITHMS = Object.keys(DIGITS);
/** Whether an equal digest means an equal file. Git's objects are of SHA-1 as a rule. @param {string} name */
export const isStrong = (name) => /^sha(?!1$)|^blake/.test(name);
/** Whether it is taken over a file's bytes as they are. @param {string} name */
export const isOfBytes = (name) => !name.startsWith('git');

/** in-toto `DigestSet`: one or more digests of one thing. @type {Shape} */
export const digestSet = that(
    (value) =>
        isObject(value) &&
        Object.keys(value).length > 0 &&
        Object.entries(value).every(
            ([name, it]) =>
                Object.hasOwn(DIGITS, name) &&
                typeof it === 'string' &&
                /^[0-9a-f]*$/.test(it) &&
                DIGITS[name].includes(it.length),
        ),
);

/** What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410). */
const DER = '302a300506032b6570032100';

/** The 32 bytes of a key in a `publisher` record. @param {string} text @returns {Uint8Array | null} */
export function keyFromDer(text) {
    const der = fromBase64(text);
    return der?.length === 44 && hex(der.subarray(0, 12)) === DER ? der.subarray(12) : null;
}

/** A key ID is the SHA-256 of the key's DER. @type {Shape} */
const publicKey = (value) => {
    const fault = object({ keyid: digest, algorithm: word('ed25519'), publicKey: text })(value);
    if (fault !== null) return fault;
    const key = keyFromDer(value.publicKey);
    if (!key || !isUsablePoint(key)) return '/publicKey';
    return hex(sha256(/** @type {Uint8Array} */ (fromBase64(value.publicKey)))) === value.keyid ? null : '/keyid';
};

const sha256Alone = object({ sha256: digest });
const attachment = object({ name: text, mediaType: text, size: count, digest: sha256Alone });
const relation = word(
    'fine-tune-of',
    'quantized-from',
    'merged-from',
    'distilled-from',
    'adapter-for',
    'converted-from',
);
const annotations = some(free);
const named = { name: text, version: maybe(text), uri: maybe(text) };

/** @type {Record<string, Shape>} */
export const KINDS = {
    publisher: object({
        displayName: text,
        url: maybe(text),
        contact: maybe(text),
        keys: list(publicKey),
        previous: maybe(digest),
        annotations,
    }),
    'model-card': object({
        document: attachment,
        license: maybe(text),
        licenseName: maybe(text),
        licenseLink: maybe(text),
        languages: some(list(text)),
        tags: some(list(text)),
        pipelineTag: maybe(text),
        libraryName: maybe(text),
        datasets: some(list(text)),
        baseModels: some(list(object({ name: text, relation: maybe(text) }))),
        results: some(
            list(
                object({
                    task: object({ type: text, name: maybe(text) }),
                    dataset: object({
                        type: text,
                        name: maybe(text),
                        config: maybe(text),
                        split: maybe(text),
                        revision: maybe(text),
                    }),
                    metrics: list(object({ type: text, name: maybe(text), value: anything })),
                    source: maybe(object({ name: maybe(text), url: maybe(text) })),
                }),
            ),
        ),
        intendedUse: maybe(text),
        limitations: maybe(text),
        evaluationSummary: maybe(text),
        annotations,
    }),
    weights: object({
        manifest: attachment,
        files: count,
        bytes: maybe(count),
        root: digest,
        algorithms: list(word(...ALGORITHMS)),
        strength: word('strong', 'weak'),
        chunks: maybe(object({ list: attachment, root: digest })),
        tensors: maybe(object({ list: attachment, count, root: digest })),
        format: maybe(text),
        parameters: maybe(count),
        source: maybe(object({ uri: maybe(text), note: maybe(text), digest: maybe(digestSet) })),
        parents: some(list(object({ relation, release: releaseName, index: count, statement: digest }))),
        annotations,
    }),
    'training-config': object({
        document: attachment,
        framework: maybe(object(named)),
        code: maybe(object({ uri: text, digest: maybe(digestSet) })),
        hyperparameters: some(free),
        data: some(
            list(
                object({
                    name: text,
                    uri: maybe(text),
                    digest: maybe(digestSet),
                    tokens: maybe(count),
                    samples: maybe(count),
                    note: maybe(text),
                }),
            ),
        ),
        hardware: maybe(
            object({ accelerator: maybe(text), count: maybe(count), nodes: maybe(count), note: maybe(text) }),
        ),
        duration: maybe(
            object({
                started: maybe(text),
                finished: maybe(text),
                wallHours: maybe(number),
                acceleratorHours: maybe(number),
            }),
        ),
        checkpoints: some(list(object({ name: text, step: maybe(count), digest: maybe(digestSet) }))),
        parents: some(list(object({ release: releaseName, relation, statement: maybe(digest) }))),
        annotations,
    }),
    'api-version': object({
        provider: text,
        endpoint: text,
        modelId: text,
        alias: maybe(flag),
        behind: either(word('undisclosed'), object({ release: releaseName, statement: maybe(digest) })),
        decoding: maybe(
            object({
                temperature: maybe(number),
                topP: maybe(number),
                topK: maybe(whole),
                maxTokens: maybe(count),
                frequencyPenalty: maybe(number),
                presencePenalty: maybe(number),
                seed: maybe(whole),
                stop: some(list(text)),
            }),
        ),
        systemPrompt: maybe(either(word('none', 'undisclosed'), object({ digest: sha256Alone }))),
        contextLength: maybe(count),
        validFrom: text,
        validUntil: maybe(text),
        replaces: maybe(releaseName),
        annotations,
    }),
    evaluation: object({
        author: publisherName,
        harness: object({ ...named, digest: maybe(digestSet) }),
        results: list(
            object({
                task: text,
                metric: text,
                value: number,
                standardError: maybe(number),
                samples: maybe(count),
                fewShot: maybe(count),
            }),
        ),
        config: maybe(object({ digest: maybe(digestSet), parameters: some(free) })),
        rawResults: maybe(attachment),
        outcome: word('reported', 'reproduced', 'failed-to-reproduce'),
        answers: maybe(digest),
        date: maybe(text),
        annotations,
    }),
    withdrawal: object({
        author: publisherName,
        scope: word('record', 'release'),
        reason: word('security', 'legal', 'error', 'superseded', 'retired', 'other'),
        explanation: text,
        replacement: maybe(releaseName),
        annotations,
    }),
};

/** @param {Shape} one @param {Shape} other @returns {Shape} */
function either(one, other) {
    return (value) => (one(value) === null ? null : other(value));
}

/**
 * Whether a record of this kind says what a release is, so that another can name it as its parent's.
 * @param {string} kind
 */
export const saysWhatAReleaseIs = (kind) => ['weights', 'model-card', 'api-version'].includes(kind);
/** Whether a release has only one record of this kind. @param {string} kind */
export const isOncePerRelease = (kind) => kind === 'training-config' || saysWhatAReleaseIs(kind);
