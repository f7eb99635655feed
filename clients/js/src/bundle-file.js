/**
 * The form of a `.candor` bundle, which means nothing before it is verified (`bundle.js`).
 *
 *     { "bundle": "urn:candor:bundle:v1",
 *       "release": "meta-ai/opt-125m@1.0.0",
 *       "checkpoint": "example.org/candor\n…",          one for all proofs
 *       "records": [                                    by index; the publishers' own records come first
 *         { "index": 4, "entry": { …the envelope… }, "proof": ["gSKy…=", …] }, … ],
 *       "attachments": [                                at least the manifest, and its lists of chunks and tensors
 *         { "sha256": "…", "mediaType": "…", "data": "base64" }, … ] }
 */

import { fromBase64 } from './bytes.js';
import { parseJson } from './json.js';
import { anything, count, digest, exactly, list, releaseName, some, text } from './kinds.js';
import { badInput, Refusal } from './refusal.js';

const BUNDLE_TYPE = 'urn:candor:bundle:v1';
const BUNDLE_BYTES_MAX = 128 << 20;
const BUNDLE_VALUES_MAX = 500000;

/** The base64 of a hash. @param {any} value */
const hashText = (value) => (typeof value === 'string' && fromBase64(value)?.length === 32 ? null : '');
const BUNDLE_FORM = exactly({
    bundle: text,
    release: releaseName,
    checkpoint: text,
    records: list(exactly({ index: count, entry: anything, proof: list(hashText) })),
    attachments: some(list(exactly({ sha256: digest, mediaType: text, data: text }))),
});

/** Reads a bundle, which means nothing before it is verified. @param {Uint8Array} bytes */
export function parseBundle(bytes) {
    if (bytes.length > BUNDLE_BYTES_MAX)
        throw badInput(`the bundle has ${bytes.length} bytes, and at most ${BUNDLE_BYTES_MAX} are read`);
    let json;
    try {
        json = parseJson(bytes, BUNDLE_VALUES_MAX);
    } catch (error) {
        throw /** @type {Refusal} */ (error).within('the bundle is not strict JSON: ');
    }
    const fault = BUNDLE_FORM(json);
    if (fault !== null)
        throw badInput(`this is not a bundle: what is at ${fault || '/'} is none of its fields, or not of its form`);
    if (json.bundle !== BUNDLE_TYPE)
        throw badInput(`this is not a bundle: its type is not ${JSON.stringify(BUNDLE_TYPE)}`);
    return json;
}
