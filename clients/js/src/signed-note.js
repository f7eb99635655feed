/**
 * C2SP `signed-note` (https://c2sp.org/signed-note): text with signatures below it.
 *
 *     This is the text. It may have empty lines,\n
 *     \n
 *     since the last empty line is the one that ends it.\n
 *     \n
 *     — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv…\n        base64(key id (4) || signature)
 */

import { fromBase64, fromUtf8, hex, utf8 } from './bytes.js';
import { isUsablePoint, verifyEd25519 } from './ed25519.js';
import { badInput, refuted, shortened } from './refusal.js';
import { sha256 } from './sha256.js';

const NOTE_SIGNATURES_MAX = 128;
/** 128 post-quantum signatures of 5 kB, and 64 KiB of text. */
export const NOTE_BYTES_MAX = NOTE_SIGNATURES_MAX * 5120 + 65536;

/** Type 0x01 of the specification: an Ed25519 signature over the text. */
const ED25519 = 1;

/**
 * @typedef {{ name: string, id: string, key: Uint8Array, text: string }} VerifierKey
 * @typedef {{ name: string, id: string, signature: Uint8Array }} NoteSignature
 * @typedef {{ text: string, signatures: NoteSignature[] }} Note
 */

/** Non-empty, and without plus signs, ASCII control characters and Unicode's spaces. @param {string} text */
const isKeyName = (text) =>
    text !== '' && !/[\0-\x20+\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/.test(text);

/** `<name>+<hex key id>+<base64(0x01 || key)>`. @param {string} text @returns {VerifierKey} */
export function parseVerifierKey(text) {
    // What stands where a public key should may be a secret, so no more is repeated than the name.
    if (text.includes('PRIVATE KEY')) throw badInput('this is a private key, and a verifier key is public');
    const parts = /^([^+]*)\+([0-9a-f]{8})\+([^]*)$/.exec(text);
    if (!parts) throw badInput('a verifier key has three parts, <name>+<key id>+<key>, and this text has not');
    const [, name, id, encoded] = parts;
    if (!isKeyName(name)) throw badInput(`${shortened(name, 100)} can't name a key`);
    const shown = shortened(name, 100);
    const bytes = fromBase64(encoded);
    if (!bytes?.length) throw badInput(`the key of ${shown} is not the base64 of a type byte and a key`);
    if (bytes[0] !== ED25519)
        throw badInput(`the key of ${shown} is of type ${bytes[0]}, and only Ed25519 (1) is supported`);
    if (bytes.length !== 33) throw badInput(`the key of ${shown} is not the base64 of a type byte and a key`);
    const key = bytes.subarray(1);
    if (!isUsablePoint(key)) throw badInput(`the key of ${shown} is not a usable Ed25519 public key`);
    const computed = keyId(name, bytes);
    if (computed !== id) {
        throw badInput(
            `the key id ${id} of ${shown} does not belong to this name and key, for which it is ${computed}`,
        );
    }
    return { name, id, key, text };
}

/**
 * `SHA-256(key name || 0x0A || type byte || public key)[:4]`.
 * @param {string} name
 * @param {Uint8Array} typed
 */
const keyId = (name, typed) => hex(sha256(utf8(`${name}\n`), typed).subarray(0, 4));

/** Takes a note apart, without looking at keys. @param {Uint8Array} bytes @returns {Note} */
export function parseNote(bytes) {
    if (bytes.length > NOTE_BYTES_MAX)
        throw badInput(`the note has ${bytes.length} bytes, and at most ${NOTE_BYTES_MAX} are read`);
    const note = fromUtf8(bytes);
    if (note === null) throw badInput('the note is not UTF-8');
    const control = /[\0-\x09\x0b-\x1f]/.exec(note);
    if (control) {
        const code = control[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
        throw badInput(
            `the note has the control character U+${code} at byte ${utf8(note.slice(0, control.index)).length}`,
        );
    }
    // The last empty line: the text keeps the first of its two newlines.
    const end = note.lastIndexOf('\n\n') + 1;
    const below = note.slice(end + 1);
    if (!end || !below.endsWith('\n')) {
        throw badInput(
            'the note has no signatures: they follow the text after an empty line, each on a line that begins with an em dash and ends with a newline',
        );
    }
    const lines = below.slice(0, -1).split('\n', NOTE_SIGNATURES_MAX + 1);
    const signatures = lines.map((line, n) => {
        const signature = parseSignature(line);
        if (!signature) throw badInput(`line ${n + 1} below the note's text is no signature line: ${shortened(line)}`);
        return signature;
    });
    if (signatures.length > NOTE_SIGNATURES_MAX) throw badInput(`the note has over ${NOTE_SIGNATURES_MAX} signatures`);
    return { text: note.slice(0, end), signatures };
}

/** @param {string} line @returns {NoteSignature | null} */
function parseSignature(line) {
    const parts = /^— ([^ ]+) ([^ ]+)$/.exec(line);
    const bytes = parts && fromBase64(parts[2]);
    if (!parts || !bytes || bytes.length < 5 || !isKeyName(parts[1])) return null;
    return { name: parts[1], id: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
}

/**
 * Checks the signatures of `keys`, and returns those that signed: at least one.
 *
 * Signatures of other keys are ignored, also when they share a name or an ID with one of `keys`. A signature that says
 * to be of one of `keys` and is not condemns the whole note.
 * @param {Note} note @param {VerifierKey[]} keys @returns {Promise<VerifierKey[]>}
 */
export async function verifyNote(note, keys) {
    const message = utf8(note.text);
    /** @type {Set<VerifierKey>} */
    const signedBy = new Set();
    for (const { name, id, signature } of note.signatures) {
        const key = keys.find((it) => it.name === name && it.id === id);
        if (!key) continue;
        if (!(await verifyEd25519(key.key, message, signature))) {
            throw refuted(`the signature of ${name} (key id ${id}) is not over this text`);
        }
        signedBy.add(key);
    }
    if (!signedBy.size) {
        const named = (/** @type {{ name: string, id: string }[]} */ list) =>
            list.map(({ name, id }) => `${name}+${id}`).join(', ');
        throw refuted(`the note is signed by ${named(note.signatures)}, and not by ${named(keys)}`, '', {
            isOtherKey: true,
        });
    }
    return [...signedBy];
}
