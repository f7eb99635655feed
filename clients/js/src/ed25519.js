/**
 * Ed25519 (RFC 8032), strictly, over WebCrypto. Engines differ in what they let pass, so these are refused here:
 *
 * - keys and R that are not the one encoding of a point (section 5.1.3), or are of small order: for such keys, anybody
 *   can make signatures;
 * - S that is not below the order of the group (section 5.1.7): a second spelling of somebody's signature.
 */

import { hex } from './bytes.js';
import { unknown } from './refusal.js';

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * power(121666n, P - 2n));
/** The y of all points of small order: of order 1, 2, 4, and twice of order 8. */
const SMALL = [
    1n,
    P - 1n,
    0n,
    0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
    0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
];

/** @param {bigint} n */
function mod(n) {
    return ((n % P) + P) % P;
}

/** @param {bigint} base @param {bigint} exponent */
function power(base, exponent) {
    let result = 1n;
    for (let square = mod(base); exponent; exponent >>= 1n, square = (square * square) % P) {
        if (exponent & 1n) result = (result * square) % P;
    }
    return result;
}

/** @param {Uint8Array} bytes */
const littleEndian = (bytes) => BigInt(`0x${hex(bytes.slice().reverse())}`);

/** Whether 32 bytes are the one encoding of a point that is not of small order. @param {Uint8Array} bytes */
export function isUsablePoint(bytes) {
    if (bytes.length !== 32) return false;
    const y = littleEndian(bytes) & (2n ** 255n - 1n);
    if (y >= P || SMALL.includes(y)) return false;
    // x^2 = (y^2 - 1) / (d y^2 + 1) has a root: by Euler's criterion, also for the product in place of the quotient.
    const square = y * y;
    return power((square - 1n) * (D * square + 1n), (P - 1n) / 2n) === 1n;
}

/** Whether S of a signature is the one spelling of its value. @param {Uint8Array} signature */
export const isCanonicalS = (signature) => littleEndian(signature.subarray(32)) < ORDER;

/** @type {Map<string, Promise<CryptoKey>>} */
const imported = new Map();

/**
 * Whether `signature` is one over `message` by `key`, which is a usable point.
 * @param {Uint8Array} key @param {Uint8Array} message @param {Uint8Array} signature @returns {Promise<boolean>}
 */
export async function verifyEd25519(key, message, signature) {
    if (!isUsablePoint(key) || signature.length !== 64 || !isCanonicalS(signature)) return false;
    if (!isUsablePoint(signature.subarray(0, 32))) return false;
    try {
        const { subtle } = globalThis.crypto;
        const name = hex(key);
        let found = imported.get(name);
        if (!found) {
            found = subtle.importKey('raw', /** @type {any} */ (key), { name: 'Ed25519' }, false, ['verify']);
            if (imported.size > 1000) imported.clear();
            imported.set(name, found);
        }
        return await subtle.verify(
            { name: 'Ed25519' },
            await found,
            /** @type {any} */ (signature),
            /** @type {any} */ (message),
        );
    } catch (error) {
        // The key is a key and the signature has its length, so that it is not for them that the engine refuses.
        throw unknown(
            `could not tell: this browser cannot check Ed25519 (${error instanceof Error ? error.message : error})`,
            'use a current browser, and open the page over https',
        );
    }
}
