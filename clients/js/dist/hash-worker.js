// Candor (Apache-2.0). Made by clients/js/build.js from the modules in clients/js/src, where the comments are.
function concat(...parts) {
const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
let at = 0;
for (const part of parts) {
all.set(part, at);
at += part.length;
}
return all;
}
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
function constants( count,  root) {
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
const W = new Int32Array(64);
class Sha256 {
#state = START.slice();
#block = new Uint8Array(64);
#filled = 0;
#length = 0;
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
function sha256(...parts) {
const stream = new Sha256();
for (const part of parts) stream.update(part);
return stream.digest();
}
const CHUNK_BYTES = 8 << 20;
const SMALL_BYTES_MAX = 1 << 20;
async function digestOf(...parts) {
const subtle = globalThis.crypto?.subtle;
return subtle ? new Uint8Array(await subtle.digest('SHA-256', concat(...parts))) : sha256(...parts);
}
async function hashBlob(blob, { progress = () => {}, chunks = false } = {}) {
const { size } = blob;
const read = async ( at) => {
const piece = new Uint8Array(await blob.slice(at, at + CHUNK_BYTES).arrayBuffer());
if (piece.length !== Math.min(CHUNK_BYTES, size - at)) throw new Error('the file changed while it was read');
return piece;
};
if (size <= SMALL_BYTES_MAX) {
const digest = await digestOf(await read(0));
progress(size);
return { size, sha256: hex(digest), chunks: [] };
}
const whole = new Sha256();
const leaves = [];
for (let at = 0, next = read(0); at < size; at += CHUNK_BYTES) {
const piece = await next;
next = at + CHUNK_BYTES < size ? read(at + CHUNK_BYTES) : next;
next.catch(() => {});
if (chunks && size > CHUNK_BYTES) leaves.push(digestOf(Uint8Array.of(0), piece));
whole.update(piece);
progress(Math.min(size, at + CHUNK_BYTES));
}
return { size, sha256: hex(whole.digest()), chunks: await Promise.all(leaves) };
}
addEventListener('message', async ({ data: { file, chunks } }) => {
try {
postMessage({ hashed: await hashBlob(file, { chunks, progress: (bytes) => postMessage({ bytes }) }) });
} catch (error) {
postMessage({ error: String(error) });
}
});
