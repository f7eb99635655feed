/**
 * What the tests build with: keys, statements, records, and a log in memory that answers as a server does, or lies.
 */

import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { base64, concat, hex, utf8 } from '../src/bytes.js';
import { entryOf, envelopeFromJson, recordOf, signedBytes } from '../src/envelope.js';
import { canonicalJson } from '../src/json.js';
import { manifestOf } from '../src/manifest.js';
import { EMPTY_ROOT, leafHash, nodeHash } from '../src/rfc6962.js';
import { sha256 } from '../src/sha256.js';

export const ORIGIN = 'log.example.org/candor';
export const RELEASE = 'example-lab/tiny-lm@1.0.0';

/** A file of the repository, as JSON. */
export const readJson = (path) => JSON.parse(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8'));

export const digestOf = (bytes) => hex(sha256(typeof bytes === 'string' ? utf8(bytes) : bytes));

/** A key that is the same in each run. */
export function key(seed) {
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]);
    const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
    return {
        bytes: new Uint8Array(spki.subarray(12)),
        keyid: digestOf(new Uint8Array(spki)),
        json: { keyid: digestOf(new Uint8Array(spki)), algorithm: 'ed25519', publicKey: spki.toString('base64') },
        sign: (message) => new Uint8Array(sign(null, message, secret)),
    };
}

/** `name+id+base64(type || key)` */
export function verifierKeyText(name, bytes, type = 1) {
    const typed = concat(Uint8Array.of(type), bytes);
    return `${name}+${hex(sha256(utf8(`${name}\n`), typed).subarray(0, 4))}+${base64(typed)}`;
}

/** A signature line of a note. */
export function signatureLine(name, signer, text) {
    const id = Buffer.from(verifierKeyText(name, signer.bytes).split('+')[1], 'hex');
    return `— ${name} ${base64(concat(id, signer.sign(utf8(text))))}\n`;
}

/** A payload, as canonical JSON. */
export const statement = (kind, name, digest, predicate) =>
    utf8(
        canonicalJson({
            _type: 'https://in-toto.io/Statement/v1',
            subject: [{ name, digest: { sha256: digest } }],
            predicateType: `urn:candor:${kind}:v1`,
            predicate,
        }),
    );

/** A payload whose subject is its predicate. */
export const aboutItself = (kind, name, predicate) =>
    statement(kind, name, digestOf(canonicalJson(predicate)), predicate);

export const publisher = (name, keys, previous) =>
    aboutItself('publisher', name, {
        displayName: `The lab ${name}`,
        keys: keys.map((it) => it.json),
        ...(previous && { previous }),
    });

export const attachment = (name, bytes) => ({
    name,
    mediaType: 'text/plain',
    size: bytes.length,
    digest: { sha256: digestOf(bytes) },
});

export const card = (release = RELEASE, text = '# Tiny\n') =>
    statement('model-card', release, digestOf(text), { document: attachment('README.md', utf8(text)) });

export const withdrawal = (author, release, digest, scope = 'record') =>
    statement('withdrawal', release, digest, {
        author,
        scope,
        reason: 'error',
        explanation: 'The wrong file was uploaded.',
    });

/** The JSON of an envelope, with whatever signatures. */
export const envelopeJson = (payload, signatures) => ({
    payload: base64(payload),
    payloadType: 'application/vnd.in-toto+json',
    signatures,
});

/** The JSON of an envelope that these keys signed. */
export const signed = (payload, ...keys) =>
    envelopeJson(
        payload,
        keys.map((it) => ({ keyid: it.keyid, sig: base64(it.sign(signedBytes(payload))) })),
    );

/** A record from the JSON of an envelope. */
export const record = (json) => recordOf(envelopeFromJson(json));

/** The log's entry of an envelope. */
export const entry = (json) => entryOf(envelopeFromJson(json));

/** Where RFC 6962 splits `n` leaves, in other words than those that are tested. */
const split = (n) => {
    let k = 1;
    while (2 * k < n) k *= 2;
    return k;
};

/** `MTH(D[n])` of leaf hashes, by the words of RFC 6962 section 2.1. */
export function mth(leaves) {
    if (leaves.length === 0) return EMPTY_ROOT;
    if (leaves.length === 1) return leaves[0];
    const k = split(leaves.length);
    return nodeHash(mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

/** `PATH(m, D[n])` of section 2.1.1. */
export function path(m, leaves) {
    if (leaves.length === 1) return [];
    const k = split(leaves.length);
    return m < k
        ? [...path(m, leaves.slice(0, k)), mth(leaves.slice(k))]
        : [...path(m - k, leaves.slice(k)), mth(leaves.slice(0, k))];
}

/** `PROOF(m, D[n])` of section 2.1.2. */
export function consistency(m, leaves) {
    const subproof = (m, leaves, b) => {
        if (m === leaves.length) return b ? [] : [mth(leaves)];
        const k = split(leaves.length);
        return m <= k
            ? [...subproof(m, leaves.slice(0, k), b), mth(leaves.slice(k))]
            : [...subproof(m - k, leaves.slice(k), false), mth(leaves.slice(0, k))];
    };
    return m === 0 ? [] : subproof(m, leaves, true);
}

/** A log in memory. `lies` take the place of its own answers; `fetch` answers as a server would. */
export class TestLog {
    entries = [];
    /** Documents, by their digests. */
    documents = new Map();
    lies = new Map();
    asked = [];

    constructor(origin = ORIGIN, signer = key(50)) {
        this.origin = origin;
        this.signer = signer;
        this.key = verifierKeyText(origin, signer.bytes);
    }

    append(json) {
        this.entries.push(json instanceof Uint8Array ? json : entry(json));
        return this.entries.length - 1;
    }

    /** Logs the weights of a release of these files. */
    release(release, files, ...keys) {
        const manifest = manifestOf(files);
        this.documents.set(manifest.sha256, manifest.bytes);
        const bytes = files.reduce((sum, { size }) => sum + size, 0);
        const named = attachment('manifest.json', manifest.bytes);
        const predicate = {
            manifest: named,
            files: files.length,
            bytes,
            root: manifest.root,
            algorithms: ['sha256'],
            strength: 'strong',
        };
        return this.append(signed(statement('weights', release, manifest.sha256, predicate), ...keys));
    }

    pad(count) {
        for (let n = 0; n < count; n++) this.append(utf8(`entry ${this.entries.length}`));
    }

    leaves(size = this.entries.length) {
        return this.entries.slice(0, size).map(leafHash);
    }

    checkpoint(
        size = this.entries.length,
        { root = mth(this.leaves(size)), extensions = '', signer = this.signer } = {},
    ) {
        const text = `${this.origin}\n${size}\n${base64(root)}\n${extensions}`;
        return `${text}\n${signatureLine(this.origin, signer, text)}`;
    }

    /** A bundle of the records at `indexes`, as JSON. */
    bundle(indexes, { size = this.entries.length, release = RELEASE, attachments = [] } = {}) {
        return {
            bundle: 'urn:candor:bundle:v1',
            release,
            checkpoint: this.checkpoint(size),
            records: indexes.map((index) => ({
                index,
                entry: JSON.parse(new TextDecoder().decode(this.entries[index])),
                proof: path(index, this.leaves(size)).map(base64),
            })),
            attachments: attachments.map((bytes) => ({
                sha256: digestOf(bytes),
                mediaType: 'text/plain',
                data: base64(bytes),
            })),
        };
    }

    /** What a server says at a path; null for what is not there. */
    answer(path) {
        const size = this.shownSize ?? this.entries.length;
        if (path === '/checkpoint') return utf8(this.checkpoint(size));
        const tile = /^\/tile\/(\d|entries)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d+))?$/.exec(path);
        if (tile) return this.tile(tile[1], Number(tile[2].replace(/[x/]/g, '')), Number(tile[3] ?? 256), size);
        const url = new URL(path, 'http://log.test');
        const name = /^\/api\/v1\/publishers\/(.*)$/.exec(url.pathname)?.[1];
        const records = this.entries.slice(0, size).flatMap((bytes, index) => {
            try {
                const { statement: it } = record(JSON.parse(new TextDecoder().decode(bytes)));
                return [{ index, ...it }];
            } catch {
                return [];
            }
        });
        if (name) {
            const history = records
                .filter((it) => it.kind === 'publisher' && it.publisher === name)
                .map(({ index }) => index);
            return history.length ? utf8(JSON.stringify({ name, history, next: null })) : null;
        }
        const [, list, digest] = /^\/api\/v1\/(attachments|manifests|files)\/([0-9a-f]{64})$/.exec(url.pathname) ?? [];
        if (list === 'attachments') return this.documents.get(digest) ?? null;
        if (list) {
            const weights = records.filter((it) => it.kind === 'weights');
            if (list === 'manifests') {
                const same = weights.filter((it) => it.subject.sha256 === digest);
                return utf8(JSON.stringify({ records: same.map(({ index }) => ({ index })), next: null }));
            }
            const releases = weights.flatMap(({ index, subject, predicate }) => {
                const manifest = JSON.parse(
                    new TextDecoder().decode(this.documents.get(predicate.manifest.digest.sha256)),
                );
                const found = manifest.files.filter((it) => it.digest.sha256 === digest);
                return found.map(({ path }) => ({ release: subject.name, path, index, manifest: subject.sha256 }));
            });
            return utf8(JSON.stringify({ releases, next: null }));
        }
        if (url.pathname === '/api/v1/records') {
            const fits = (it) =>
                ['kind', 'publisher'].every(
                    (field) => !url.searchParams.get(field) || it[field] === url.searchParams.get(field),
                );
            const about = records.filter((it) => fits(it) && it.subject.name === url.searchParams.get('subject'));
            return utf8(JSON.stringify({ records: about.map(({ index }) => ({ index })).reverse(), next: null }));
        }
        return null;
    }

    tile(level, n, width, size) {
        if (this.dropsPartial && width < 256) return null;
        if (level === 'entries') {
            const entries = this.entries.slice(256 * n, 256 * n + width);
            if (256 * n + width > size) return null;
            return concat(...entries.flatMap((it) => [Uint8Array.of(it.length >> 8, it.length & 255), it]));
        }
        const step = 256 ** Number(level);
        if ((256 * n + width) * step > size) return null;
        const leaves = this.leaves();
        return concat(
            ...Array.from({ length: width }, (_, i) =>
                mth(leaves.slice((256 * n + i) * step, (256 * n + i + 1) * step)),
            ),
        );
    }

    fetch = async (url) => {
        const path = url.replace('http://log.test', '');
        this.asked.push(path);
        const lie = [...this.lies].find(([part]) => path.startsWith(part))?.[1];
        const answer = lie === undefined ? this.answer(path) : typeof lie === 'function' ? lie(this.answer(path)) : lie;
        if (answer instanceof Response) return answer.clone();
        if (answer === null) {
            return new Response(
                JSON.stringify({ type: 'urn:candor:problem:not-found', detail: `there is no ${path}` }),
                {
                    status: 404,
                    headers: { 'content-type': 'application/problem+json' },
                },
            );
        }
        return new Response(answer);
    };
}

/** Numbers that look random and are the same in each run (mulberry32). */
export function random(seed) {
    let state = seed;
    return (below) => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
    };
}
