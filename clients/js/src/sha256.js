/**
 * SHA-256 (FIPS 180-4), over bytes that arrive in pieces: WebCrypto takes them all at once, and waits.
 */

/** The first 32 bits of the fractional parts of `root` of the first `count` primes. */
function constants(/** @type {number} */ count, /** @type {(n: number) => number} */ root) {
    const found = [];
    for (let n = 2; found.length < count; n++) {
        let isPrime = true;
        for (let d = 2; d * d <= n; d++) isPrime &&= n % d !== 0;
        if (isPrime) found.push(((root(n) % 1) * 2 ** 32) | 0);
    }
    return Int32Array.from(found);
}

const K = constants(64, Math.cbrt);
const START = constants(8, Math.sqrt);
// One for all, since nothing waits while it is in use: engines read from a fixed place twice as fast.
const W = new Int32Array(64);

export class Sha256 {
    #state = START.slice();
    #block = new Uint8Array(64);
    #filled = 0;
    #length = 0;

    /** Takes the next piece. @param {Uint8Array} bytes */
    update(bytes) {
        this.#length += bytes.length;
        let at = 0;
        if (this.#filled) {
            at = Math.min(64 - this.#filled, bytes.length);
            this.#block.set(bytes.subarray(0, at), this.#filled);
            this.#filled += at;
            if (this.#filled < 64) return this;
            this.#compress(this.#block, 0, 64);
        }
        const end = bytes.length - ((bytes.length - at) % 64);
        this.#compress(bytes, at, end);
        this.#block.set(bytes.subarray(end));
        this.#filled = bytes.length - end;
        return this;
    }

    /** The digest of all pieces. Nothing can be added afterwards. */
    digest() {
        const end = new Uint8Array(this.#filled < 56 ? 64 : 128);
        end.set(this.#block.subarray(0, this.#filled));
        end[this.#filled] = 0x80;
        const view = new DataView(end.buffer);
        view.setUint32(end.length - 8, Math.floor(this.#length / 2 ** 29));
        view.setUint32(end.length - 4, this.#length << 3);
        this.#compress(end, 0, end.length);
        const digest = new Uint8Array(32);
        this.#state.forEach((word, n) => new DataView(digest.buffer).setInt32(4 * n, word));
        return digest;
    }

    /** @param {Uint8Array} bytes @param {number} from @param {number} to */
    #compress(bytes, from, to) {
        const s = this.#state;
        let h0 = s[0],
            h1 = s[1],
            h2 = s[2],
            h3 = s[3],
            h4 = s[4],
            h5 = s[5],
            h6 = s[6],
            h7 = s[7];
        for (let at = from; at < to; at += 64) {
            for (let t = 0, n = at; t < 16; t++, n += 4) {
                W[t] = (bytes[n] << 24) | (bytes[n + 1] << 16) | (bytes[n + 2] << 8) | bytes[n + 3];
            }
            // Sums are cut to 32 bits two by two: sums of more become doubles on the way, and take three times as long.
            for (let t = 16; t < 64; t++) {
                const x = W[t - 15];
                const y = W[t - 2];
                const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
                const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
                W[t] = (((W[t - 16] + s0) | 0) + ((W[t - 7] + s1) | 0)) | 0;
            }
            let a = h0,
                b = h1,
                c = h2,
                d = h3,
                e = h4,
                f = h5,
                g = h6,
                h = h7;
            for (let t = 0; t < 64; t++) {
                const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
                const t1 = (((h + s1) | 0) + (((g ^ (e & (f ^ g))) + ((K[t] + W[t]) | 0)) | 0)) | 0;
                const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
                const t2 = (s0 + ((a & b) ^ (c & (a ^ b)))) | 0;
                h = g;
                g = f;
                f = e;
                e = (d + t1) | 0;
                d = c;
                c = b;
                b = a;
                a = (t1 + t2) | 0;
            }
            h0 = (h0 + a) | 0;
            h1 = (h1 + b) | 0;
            h2 = (h2 + c) | 0;
            h3 = (h3 + d) | 0;
            h4 = (h4 + e) | 0;
            h5 = (h5 + f) | 0;
            h6 = (h6 + g) | 0;
            h7 = (h7 + h) | 0;
        }
        this.#state.set([h0, h1, h2, h3, h4, h5, h6, h7]);
    }
}

/** The digest of some bytes, one part behind the other. @param {Uint8Array[]} parts */
export function sha256(...parts) {
    const stream = new Sha256();
    for (const part of parts) stream.update(part);
    return stream.digest();
}
