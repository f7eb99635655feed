/**
 * Bytes, and the texts that stand for them. Each decoder takes one spelling, and answers null to all others.
 */

const ENCODER = new TextEncoder();
// `ignoreBOM` keeps a byte order mark: it is a character like any other, and no JSON begins with it.
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = BASE64.replace('+/', '-_');

/** @param {string} text */
export const utf8 = (text) => ENCODER.encode(text);

/** @param {Uint8Array} bytes @returns {string | null} */
export function fromUtf8(bytes) {
    try {
        return DECODER.decode(bytes);
    } catch {
        return null;
    }
}

/** @param {Uint8Array[]} parts */
export function concat(...parts) {
    const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export const equal = (a, b) => a.length === b.length && a.every((byte, n) => byte === b[n]);

/** @param {Uint8Array} bytes */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** @param {string} text */
export function fromHex(text) {
    if (text.length % 2 || /[^0-9a-f]/.test(text)) return null;
    return Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/** RFC 4648 section 4, padded. @param {Uint8Array} bytes */
export function base64(bytes) {
    let text = '';
    for (let at = 0; at < bytes.length; at += 0x6000) text += String.fromCharCode(...bytes.subarray(at, at + 0x6000));
    return btoa(text);
}

/** RFC 4648 section 4, padded, with no bits to spare: one spelling. @param {string} text */
export const fromBase64 = (text) => (text.length % 4 ? null : decode(text, BASE64));

/** Standard or URL-safe, padded or not: DSSE lets signers choose. @param {string} text */
export const fromAnyBase64 = (text) => decode(text, BASE64) ?? decode(text, URL_SAFE);

/** @param {string} text @param {string} alphabet */
function decode(text, alphabet) {
    const padding = /={0,2}$/.exec(text.slice(-2))?.[0].length ?? 0;
    const digits = text.length - padding;
    const rest = digits % 4;
    if (rest === 1 || (padding && rest + padding > 4) || (padding && !rest)) return null;
    const values = new Int8Array(128).fill(-1);
    for (let n = 0; n < 64; n++) values[alphabet.charCodeAt(n)] = n;
    const bytes = new Uint8Array(Math.floor((digits * 3) / 4));
    let [bits, count, out] = [0, 0, 0];
    for (let n = 0; n < digits; n++) {
        const value = values[text.charCodeAt(n)] ?? -1;
        if (value < 0) return null;
        bits = ((bits << 6) | value) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[out++] = bits >> count;
        }
    }
    return bits & ((1 << count) - 1) ? null : bytes;
}

/** Orders texts by their UTF-8 bytes, which is by their characters. @param {string} a @param {string} b */
export function compareUtf8(a, b) {
    const length = Math.min(a.length, b.length);
    for (let n = 0; n < length; n++) {
        let [x, y] = [a.charCodeAt(n), b.charCodeAt(n)];
        if (x === y) continue;
        // Surrogates stand for characters behind all others, and have lower numbers than some of them.
        if (x >= 0xd800 && y >= 0xd800) {
            x += x < 0xe000 ? 0x2000 : -0x800;
            y += y < 0xe000 ? 0x2000 : -0x800;
        }
        return x - y;
    }
    return a.length - b.length;
}
