/**
 * DSSE 1.0.2: the envelope around a statement, and the log's entry, which is the envelope as canonical JSON.
 */

import { base64, concat, fromAnyBase64, utf8 } from './bytes.js';
import { canonicalJson, isObject, parseJson } from './json.js';
import { badInput, refuted, shortened } from './refusal.js';
import { parseStatement } from './statement.js';

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
/** The length of an entry is a 16-bit number in entry bundles. */
export const ENTRY_BYTES_MAX = 65535;
const SIGNATURES_MAX = 20;

/**
 * @typedef {{ keyid: string, sig: Uint8Array }} Signature
 * @typedef {{ payload: Uint8Array, signatures: Signature[] }} Envelope
 *
 * An envelope and the statement inside it; nobody has checked yet who signed it.
 * @typedef {{ envelope: Envelope, statement: import('./statement.js').Statement }} SignedRecord
 */

/** `PAE(type, body)`: the bytes that are signed. @param {Uint8Array} payload */
export const signedBytes = (payload) =>
    concat(utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload);

/** Reads an envelope from a value that `parseJson` returned. @param {any} json @returns {Envelope} */
export function envelopeFromJson(json) {
    if (!isObject(json)) throw refuted('/: a DSSE envelope is an object with payload, payloadType and signatures');
    const { payloadType, payload: encoded, signatures } = json;
    if (typeof payloadType !== 'string') throw refuted('/payloadType: a text is required');
    if (payloadType !== PAYLOAD_TYPE) {
        throw refuted(
            `/payloadType: it is ${shortened(payloadType, 100)}, and only ${JSON.stringify(PAYLOAD_TYPE)} is taken`,
        );
    }
    const isText = typeof encoded === 'string';
    if (isText && utf8(encoded).length > ENTRY_BYTES_MAX) {
        throw refuted(
            `/payload: it has ${utf8(encoded).length} characters, and an entry holds at most ${ENTRY_BYTES_MAX}; put large documents into attachments`,
        );
    }
    const payload = isText ? fromAnyBase64(encoded) : null;
    if (!payload) throw refuted('/payload: the base64 of the statement is required');
    if (!Array.isArray(signatures)) throw refuted('/signatures: a list is required');
    if (!signatures.length || signatures.length > SIGNATURES_MAX)
        throw refuted('/signatures: 1 to 20 signatures are taken');
    return { payload, signatures: signatures.map(signatureFromJson) };
}

/** @param {any} json @param {number} n @returns {Signature} */
function signatureFromJson(json, n) {
    const { keyid, sig } = isObject(json) ? json : /** @type {any} */ ({});
    if (keyid != null && (typeof keyid !== 'string' || utf8(keyid).length > 256)) {
        throw refuted(`/signatures/${n}/keyid: a text of at most 256 bytes, or nothing`);
    }
    const bytes = typeof sig === 'string' ? fromAnyBase64(sig) : null;
    if (!bytes) throw refuted(`/signatures/${n}/sig: the base64 of the signature is required`);
    return { keyid: keyid ?? '', sig: bytes };
}

/** As the log keeps it (RFC 8785). @param {Envelope} envelope */
export const entryOf = ({ payload, signatures }) =>
    utf8(
        canonicalJson({
            payload: base64(payload),
            payloadType: PAYLOAD_TYPE,
            signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig: base64(sig) })),
        }),
    );

/** Reads the statement inside an envelope. @param {Envelope} envelope @returns {SignedRecord} */
export const recordOf = (envelope) => ({ envelope, statement: parseStatement(envelope.payload) });

/** Reads an envelope, as a file has it or as the log does. @param {Uint8Array} bytes @returns {Envelope} */
export function parseEnvelope(bytes) {
    if (bytes.length > 2 * ENTRY_BYTES_MAX) {
        throw badInput(
            `the envelope has ${bytes.length} bytes, and at most ${2 * ENTRY_BYTES_MAX} are read; put large documents into attachments`,
        );
    }
    try {
        return envelopeFromJson(parseJson(bytes));
    } catch (error) {
        throw /** @type {any} */ (error).verdict === 'bad-input'
            ? /** @type {any} */ (error).within('the envelope is not strict JSON: ')
            : error;
    }
}
