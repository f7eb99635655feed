// Candor (Apache-2.0). Made by clients/js/build.js from the modules in clients/js/src, where the comments are.
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = BASE64.replace('+/', '-_');
const utf8 = (text) => ENCODER.encode(text);
function fromUtf8(bytes) {
try {
return DECODER.decode(bytes);
} catch {
return null;
}
}
function concat(...parts) {
const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
let at = 0;
for (const part of parts) {
all.set(part, at);
at += part.length;
}
return all;
}
const equal = (a, b) => a.length === b.length && a.every((byte, n) => byte === b[n]);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
function fromHex(text) {
if (text.length % 2 || /[^0-9a-f]/.test(text)) return null;
return Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}
function base64(bytes) {
let text = '';
for (let at = 0; at < bytes.length; at += 0x6000) text += String.fromCharCode(...bytes.subarray(at, at + 0x6000));
return btoa(text);
}
const fromBase64 = (text) => (text.length % 4 ? null : decode(text, BASE64));
const fromAnyBase64 = (text) => decode(text, BASE64) ?? decode(text, URL_SAFE);
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
function compareUtf8(a, b) {
const length = Math.min(a.length, b.length);
for (let n = 0; n < length; n++) {
let [x, y] = [a.charCodeAt(n), b.charCodeAt(n)];
if (x === y) continue;
if (x >= 0xd800 && y >= 0xd800) {
x += x < 0xe000 ? 0x2000 : -0x800;
y += y < 0xe000 ? 0x2000 : -0x800;
}
return x - y;
}
return a.length - b.length;
}
const plain = ( text) =>
text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (it) => `\\u{${(it.codePointAt(0)).toString(16)}}`);
class Refusal extends Error {
constructor(verdict, what, hint = '', more = {}) {
super(plain(what));
this.name = 'Refusal';
this.verdict = verdict;
this.hint = plain(hint);
Object.assign(this, more);
}
within( where) {
return Object.assign(new Refusal(this.verdict, `${where}${this.message}`, this.hint), { ...this });
}
}
const refuted = ( what, hint = '', more = {}) => new Refusal('refuted', what, hint, more);
const badInput = ( what, hint = '') => new Refusal('bad-input', what, hint);
const unknown = ( what, hint = '', more = {}) => new Refusal('unknown', what, hint, more);
function verdictOf(error) {
const { verdict, message, hint, name, ...more } =
error instanceof Refusal ? error : unknown(`there is no telling: ${error}`);
return { verdict: verdict === 'refuted' ? verdict : 'unknown', what: message, detail: message, hint, ...more };
}
const shortened = ( text, max = 80) =>
JSON.stringify([...text.slice(0, 2 * max)].slice(0, max).join(''));
const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * power(121666n, P - 2n));
const SMALL = [
1n,
P - 1n,
0n,
0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
];
function mod(n) {
return ((n % P) + P) % P;
}
function power(base, exponent) {
let result = 1n;
for (let square = mod(base); exponent; exponent >>= 1n, square = (square * square) % P) {
if (exponent & 1n) result = (result * square) % P;
}
return result;
}
const littleEndian = (bytes) => BigInt(`0x${hex(bytes.slice().reverse())}`);
function isUsablePoint(bytes) {
if (bytes.length !== 32) return false;
const y = littleEndian(bytes) & (2n ** 255n - 1n);
if (y >= P || SMALL.includes(y)) return false;
const square = y * y;
return power((square - 1n) * (D * square + 1n), (P - 1n) / 2n) === 1n;
}
const isCanonicalS = (signature) => littleEndian(signature.subarray(32)) < ORDER;
const imported = new Map();
async function verifyEd25519(key, message, signature) {
if (!isUsablePoint(key) || signature.length !== 64 || !isCanonicalS(signature)) return false;
if (!isUsablePoint(signature.subarray(0, 32))) return false;
try {
const { subtle } = globalThis.crypto;
const name = hex(key);
let found = imported.get(name);
if (!found) {
found = subtle.importKey('raw',  (key), { name: 'Ed25519' }, false, ['verify']);
if (imported.size > 1000) imported.clear();
imported.set(name, found);
}
return await subtle.verify(
{ name: 'Ed25519' },
await found,
(signature),
(message),
);
} catch (error) {
throw unknown(
`could not tell: this browser cannot check Ed25519 (${error instanceof Error ? error.message : error})`,
'use a current browser, and open the page over https',
);
}
}
const DEPTH_MAX = 32;
const WHOLE_MAX = 9007199254740992;
const U64_MAX = 2n ** 64n - 1n;
class Double extends Number {}
const isObject = (value) =>
typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Double);
function parseJson(bytes, valuesMax = Infinity) {
const text = fromUtf8(bytes);
if (text === null) throw badInput('the text is not UTF-8');
return new Reader(text, valuesMax).all();
}
class Reader {
constructor(text, valuesMax) {
this.text = text;
this.at = 0;
this.left = valuesMax;
}
fail(what) {
const before = this.text.slice(0, this.at);
const line = before.split('\n').length;
throw badInput(`${what} at line ${line} column ${this.at - before.lastIndexOf('\n')}`);
}
all() {
const value = this.value(0);
this.space();
if (this.at < this.text.length) this.fail('trailing characters');
return value;
}
space() {
while (' \t\n\r'.includes(this.text[this.at] || '.')) this.at++;
}
take(wanted) {
this.space();
const is = this.text[this.at] === wanted;
if (is) this.at++;
return is;
}
match(pattern) {
pattern.lastIndex = this.at;
const found = pattern.exec(this.text)?.[0];
if (found !== undefined) this.at += found.length;
return found;
}
value(depth) {
if (this.left-- <= 0) this.fail('it has too many values');
if (this.take('{')) return this.object(depth);
if (this.take('[')) return this.array(depth);
if (this.text[this.at] === '"') return this.string();
const number = this.match(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y);
if (number !== undefined) return this.number(number);
const word = this.match(/null|true|false/y);
if (word === undefined) this.fail('expected value');
return JSON.parse(word);
}
inside(depth) {
if (depth === DEPTH_MAX) this.fail(`nested more than ${DEPTH_MAX} deep`);
return depth + 1;
}
array(depth) {
const items = [];
const inside = this.inside(depth);
if (this.take(']')) return items;
do items.push(this.value(inside));
while (this.take(','));
if (!this.take(']')) this.fail('expected `,` or `]`');
return items;
}
object(depth) {
const object = Object.create(null);
if (this.take('}')) return object;
do {
this.space();
if (this.text[this.at] !== '"') this.fail('key must be a string');
const key = this.string();
if (key in object) this.fail(`the key ${JSON.stringify(key)} is there twice`);
if (!this.take(':')) this.fail('expected `:`');
object[key] = this.value(this.inside(depth));
} while (this.take(','));
if (!this.take('}')) this.fail('expected `,` or `}`');
return object;
}
string() {
this.at++;
let text = '';
for (;;) {
text += this.match(/[^"\\\0-\x1f]*/y);
if (this.text[this.at] === '"') {
this.at++;
return text;
}
const escape = this.match(
/\\(?:["\\/bfnrt]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})/y,
);
if (escape === undefined)
this.fail('the string ends too early, or has an escape or a character that is none');
text += JSON.parse(`"${escape}"`);
}
}
number(number) {
const value = Number(number);
const becomes = String(value);
const isInvented = !/[e.]/.test(becomes) && Math.abs(value) > WHOLE_MAX;
if (!Number.isFinite(value) || isInvented || significant(number) !== significant(becomes)) {
this.at -= number.length;
this.fail(`the number ${number.slice(0, 40)} would not survive: as a double it reads ${becomes}`);
}
return Number.isInteger(value) && !/^(?:0|-?[1-9][0-9]*)$/.test(number) ? new Double(value) : value;
}
}
function significant(number) {
const [mantissa, exponent = '0'] = number.replace(/^-/, '').toLowerCase().split('e');
const [whole, fraction = ''] = mantissa.split('.');
const all = whole + fraction;
const digits = all.replace(/^0+/, '');
const point = Number(exponent) + whole.length - (all.length - digits.length);
const ends = digits.replace(/0+$/, '');
return ends && `${ends} ${point}`;
}
function canonicalJson(value) {
if (value instanceof Double) return String(value);
if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
if (!isObject(value)) return JSON.stringify(value);
const members = Object.keys(value).sort();
return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(',')}}`;
}
const PATH_BYTES_MAX = 4096;
const PUBLISHER = '[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?';
const RELEASE = new RegExp(
`^(${PUBLISHER})/[a-z0-9](?:[a-z0-9._-]{0,94}[a-z0-9])?@[a-z0-9](?:[a-z0-9._+-]{0,62}[a-z0-9])?$`,
);
const PUBLISHER_ALONE = new RegExp(`^${PUBLISHER}$`);
const isPublisherName = (text) => typeof text === 'string' && PUBLISHER_ALONE.test(text);
const isReleaseName = (text) => typeof text === 'string' && RELEASE.test(text);
const publisherOf = (release) => RELEASE.exec(release)?.[1] ?? '';
const INVISIBLE =
/[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/u;
const isPlainText = (text) =>
!/[\0-\x1f\x7f-\x9f]/.test(text) && !INVISIBLE.test(text) && text.normalize('NFC') === text;
const isFilePath = (path) =>
typeof path === 'string' &&
path !== '' &&
utf8(path).length <= PATH_BYTES_MAX &&
isPlainText(path) &&
!/\\|^[\0-\x7f]:/.test(path) &&
path.split('/').every((part) => !['', '.', '..'].includes(part));
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
const that = (is) => (value) => (is(value) ? null : '');
const text = that((value) => typeof value === 'string');
const count = that((value) => Number.isInteger(value) && value >= 0);
const digest = that((value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value));
const whole = that(Number.isInteger);
const number = that((value) => typeof value === 'number' || value instanceof Double);
const flag = that((value) => typeof value === 'boolean');
const anything = that((value) => value !== undefined);
const publisherName = that(isPublisherName);
const releaseName = that(isReleaseName);
const filePath = that(isFilePath);
const free = that(isObject);
const word = ( ...words) => that((value) => words.includes(value));
const maybe = (shape) => (value) => (value == null ? null : shape(value));
const some = (shape) => (value) => (value === undefined ? null : shape(value));
const list = (item) => (value) => {
if (!Array.isArray(value)) return '';
for (const [n, it] of value.entries()) {
const fault = item(it);
if (fault !== null) return `/${n}${fault}`;
}
return null;
};
const object = (fields) => (value) => {
if (!isObject(value)) return '';
for (const [name, shape] of Object.entries(fields)) {
const fault = shape(value[name]);
if (fault !== null) return `/${name}${fault}`;
}
return null;
};
const exactly = (fields) => (value) => {
const other = isObject(value) && Object.keys(value).find((name) => !Object.hasOwn(fields, name));
return other === undefined || other === false ? object(fields)(value) : `/${other}`;
};
const DIGITS =  ({
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
const ALGORITHMS = Object.keys(DIGITS);
const isStrong = (name) => /^sha(?!1$)|^blake/.test(name);
const isOfBytes = (name) => !name.startsWith('git');
const digestSet = that(
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
const DER = '302a300506032b6570032100';
function keyFromDer(text) {
const der = fromBase64(text);
return der?.length === 44 && hex(der.subarray(0, 12)) === DER ? der.subarray(12) : null;
}
const publicKey = (value) => {
const fault = object({ keyid: digest, algorithm: word('ed25519'), publicKey: text })(value);
if (fault !== null) return fault;
const key = keyFromDer(value.publicKey);
if (!key || !isUsablePoint(key)) return '/publicKey';
return hex(sha256( (fromBase64(value.publicKey)))) === value.keyid ? null : '/keyid';
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
const KINDS = {
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
function either(one, other) {
return (value) => (one(value) === null ? null : other(value));
}
const saysWhatAReleaseIs = (kind) => ['weights', 'model-card', 'api-version'].includes(kind);
const isOncePerRelease = (kind) => kind === 'training-config' || saysWhatAReleaseIs(kind);
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
function parseStatement(payload) {
let json;
try {
json = parseJson(payload);
} catch (error) {
throw refuted(`the payload is not strict JSON: ${(error).message}`);
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
const hasAuthor = (kind) => kind === 'evaluation' || kind === 'withdrawal';
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
function attachmentsOf(kind, predicate) {
const { document, manifest, chunks, tensors, rawResults } = predicate;
const named = {
'model-card': [document],
'training-config': [document],
weights: [manifest, chunks?.list, tensors?.list],
evaluation: [rawResults],
};
return (named[kind] ?? []).filter((it) => it != null);
}
function checkRules({ kind, subject, predicate, release, publisher }) {
const rule = ( pointer,  what) => refuted(`${pointer}: ${what}`);
for (const { name } of attachmentsOf(kind, predicate)) {
if (!isPlainText(name))
throw rule('/predicate', `the attachment's name ${shortened(name, 200)} can't be shown`);
}
const subjectIs = ( digest,  what) => {
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
checkParents( (release), predicate.parents ?? []);
subjectIs(predicate.manifest.digest.sha256, 'the digest of the attachment at /predicate/manifest');
}
if (kind === 'evaluation' && predicate.outcome !== 'reported' && predicate.answers == null) {
throw rule('/predicate/answers', 'an outcome other than "reported" names the record that it answers');
}
if (
kind === 'withdrawal' &&
predicate.scope === 'release' &&
publisherOf( (release)) !== publisher
) {
throw rule(
'/predicate/scope',
'only the publisher of a release withdraws all of it; others withdraw their own records ("record")',
);
}
}
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
function isLater(until, from) {
const [a, b] = [until, from].map((time) => (utf8(time).length < 19 ? null : fromUtf8(utf8(time).subarray(0, 19))));
return a !== null && (b === null || compareUtf8(a, b) > 0);
}
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const ENTRY_BYTES_MAX = 65535;
const SIGNATURES_MAX = 20;
const signedBytes = (payload) =>
concat(utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload);
function envelopeFromJson(json) {
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
function signatureFromJson(json, n) {
const { keyid, sig } = isObject(json) ? json :  ({});
if (keyid != null && (typeof keyid !== 'string' || utf8(keyid).length > 256)) {
throw refuted(`/signatures/${n}/keyid: a text of at most 256 bytes, or nothing`);
}
const bytes = typeof sig === 'string' ? fromAnyBase64(sig) : null;
if (!bytes) throw refuted(`/signatures/${n}/sig: the base64 of the signature is required`);
return { keyid: keyid ?? '', sig: bytes };
}
const entryOf = ({ payload, signatures }) =>
utf8(
canonicalJson({
payload: base64(payload),
payloadType: PAYLOAD_TYPE,
signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig: base64(sig) })),
}),
);
const recordOf = (envelope) => ({ envelope, statement: parseStatement(envelope.payload) });
function parseEnvelope(bytes) {
if (bytes.length > 2 * ENTRY_BYTES_MAX) {
throw badInput(
`the envelope has ${bytes.length} bytes, and at most ${2 * ENTRY_BYTES_MAX} are read; put large documents into attachments`,
);
}
try {
return envelopeFromJson(parseJson(bytes));
} catch (error) {
throw  (error).verdict === 'bad-input'
?  (error).within('the envelope is not strict JSON: ')
: error;
}
}
const MAY_WANT = { mayWantForEarlierRecords: true };
const keysOf = (keys) =>
keys.map(({ keyid, publicKey }) => ({ keyid, key:  (keyFromDer(publicKey)) }));
async function verifyRecord({ envelope, statement }, state) {
const { kind, predicate, publisher } = statement;
const listed = kind === 'publisher' ? keysOf(predicate.keys) : [];
const signatures = new Signatures(envelope, [...listed, ...(state?.keys ?? [])]);
let signedBy;
if (kind !== 'publisher') {
if (!state) throw refuted(`no publisher ${publisher} is registered with this log`, '', MAY_WANT);
signedBy = await signatures.byAnyCurrent(state);
} else if (!state) {
if (predicate.previous != null) {
throw refuted(`the record follows ${predicate.previous}, and ${publisher} has no record yet`, '', MAY_WANT);
}
checkDistinct(listed);
signedBy = await signatures.byEach(listed);
} else {
checkSuccession(predicate, listed, state);
const isNew = ( key) => !state.keys.some(({ keyid }) => keyid === key.keyid);
signedBy = [...(await signatures.byAnyCurrent(state)), ...(await signatures.byEach(listed.filter(isNew)))];
}
return { envelope, statement, signedBy };
}
function checkSuccession(predicate, listed, state) {
if (predicate.previous !== state.record) {
throw refuted(
`${state.name} is registered already: its newest record is ${state.record} (entry ${state.at}), and this one follows ${predicate.previous ?? 'none'}`,
'',
MAY_WANT,
);
}
checkDistinct(listed);
for (const { keyid } of listed) {
const retired = state.retired.find((it) => it.keyid === keyid);
if (retired)
throw refuted(`the key ${keyid} was taken off the list by entry ${retired.at}, and can't come back`);
}
}
function checkDistinct(keys) {
const twice = keys.find(({ keyid }, n) => keys.findIndex((it) => it.keyid === keyid) < n);
if (twice) throw refuted(`the key ${twice.keyid} is listed twice`);
}
function stateAfter(before, { statement }, at) {
if (statement.kind !== 'publisher') return before;
const keys = keysOf(statement.predicate.keys);
const gone = (before?.keys ?? []).filter((key) => !keys.some(({ keyid }) => keyid === key.keyid));
const retired = [...(before?.retired ?? []), ...gone.map((key) => ({ ...key, at }))];
return { name: statement.subject.name, record: statement.digest, at, keys, retired };
}
async function faultOf({ key }, message, sig) {
if (sig.length !== 64) return `it has ${sig.length} bytes instead of 64`;
if (!isCanonicalS(sig)) return 'its S is not below the order of the group (RFC 8032 section 5.1.7)';
return (await verifyEd25519(key, message, sig)) ? null : 'it is not over this payload by this key';
}
class Signatures {
constructor({ payload, signatures }, candidates) {
this.message = signedBytes(payload);
this.all = signatures;
this.candidates = new Set(candidates.map(({ keyid }) => keyid));
}
async by(key) {
for (const { keyid, sig } of this.all) {
const isNamed = keyid === key.keyid;
if (!isNamed && this.candidates.has(keyid)) continue;
const fault = await faultOf(key, this.message, sig);
if (fault === null) return true;
if (isNamed) throw refuted(`the signature by key ${keyid} does not hold: ${fault}`);
}
return false;
}
async byEach(keys) {
for (const key of keys) {
if (!(await this.by(key)))
throw refuted(`the key ${key.keyid} is new, and has not signed this record itself`, '', MAY_WANT);
}
return keys;
}
async byAnyCurrent({ name, keys, retired }) {
const signed = [];
for (const key of keys) if (await this.by(key)) signed.push(key);
if (signed.length) return signed;
for (const key of retired) {
const named = this.all.find(({ keyid }) => keyid === key.keyid);
if (!named) continue;
const fault = await faultOf(key, this.message, named.sig);
if (fault !== null) throw refuted(`the signature by key ${key.keyid} does not hold: ${fault}`);
throw refuted(`the key ${key.keyid} is no longer a key of ${name}: entry ${key.at} took it off the list`);
}
const keyids = this.all.map(({ keyid }) => keyid.slice(0, 64) || 'none').join(', ');
throw refuted(`none of the signatures is by a key of ${name} (key ids on the record: ${keyids})`, '', MAY_WANT);
}
}
const BUNDLE_TYPE = 'urn:candor:bundle:v1';
const BUNDLE_BYTES_MAX = 128 << 20;
const BUNDLE_VALUES_MAX = 500000;
const hashText = (value) => (typeof value === 'string' && fromBase64(value)?.length === 32 ? null : '');
const BUNDLE_FORM = exactly({
bundle: text,
release: releaseName,
checkpoint: text,
records: list(exactly({ index: count, entry: anything, proof: list(hashText) })),
attachments: some(list(exactly({ sha256: digest, mediaType: text, data: text }))),
});
function parseBundle(bytes) {
if (bytes.length > BUNDLE_BYTES_MAX)
throw badInput(`the bundle has ${bytes.length} bytes, and at most ${BUNDLE_BYTES_MAX} are read`);
let json;
try {
json = parseJson(bytes, BUNDLE_VALUES_MAX);
} catch (error) {
throw  (error).within('the bundle is not strict JSON: ');
}
const fault = BUNDLE_FORM(json);
if (fault !== null)
throw badInput(`this is not a bundle: what is at ${fault || '/'} is none of its fields, or not of its form`);
if (json.bundle !== BUNDLE_TYPE)
throw badInput(`this is not a bundle: its type is not ${JSON.stringify(BUNDLE_TYPE)}`);
return json;
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
const EMPTY_ROOT = sha256();
const [ZERO, ONE] = [Uint8Array.of(0), Uint8Array.of(1)];
const leafHash = (entry) => sha256(ZERO, entry);
const nodeHash = (left, right) => sha256(ONE, left, right);
const splitPoint = (n) => 1n << BigInt((n - 1n).toString(2).length - 1);
function treeRoot(leaves) {
const edge = [];
leaves.forEach((leaf, index) => {
let hash = leaf;
for (let n = index; n % 2; n = (n - 1) / 2) hash = nodeHash( (edge.pop()), hash);
edge.push(hash);
});
return foldEdge(edge);
}
const foldEdge = (edge) => (edge.length ? edge.reduceRight((right, left) => nodeHash(left, right)) : EMPTY_ROOT);
class Unused {
constructor( hashes) {
if (hashes.some(({ length }) => length !== 32)) throw refuted('a hash of the proof does not have 32 bytes');
this.hashes = hashes;
this.left = hashes.length;
}
takeLast() {
if (!this.left) throw refuted('the proof has too few hashes for these positions');
return this.hashes[--this.left];
}
checkEmpty() {
if (this.left) throw refuted(`the proof has ${this.left} hashes more than these positions ask for`);
}
}
function verifyInclusion({ index, size, leaf, path, root }) {
if (index < 0n || index >= size) throw refuted(`entry ${index} is not between 0 and ${size}`);
const rest = new Unused(path);
const computed = rootFromPath(index, size, leaf, rest);
rest.checkEmpty();
if (!equal(computed, root)) {
throw refuted(`the proof leads to root ${base64(computed)}, and the tree's root is ${base64(root)}`);
}
}
function rootFromPath(m, n, leaf, path) {
if (n === 1n) return leaf;
const k = splitPoint(n);
const sibling = path.takeLast();
return m < k
? nodeHash(rootFromPath(m, k, leaf, path), sibling)
: nodeHash(sibling, rootFromPath(m - k, n - k, leaf, path));
}
function verifyConsistency(older, newer, path) {
if (older.size > newer.size)
throw refuted(`a tree of ${older.size} entries can't be the beginning of one of ${newer.size}`);
const rest = new Unused(path);
const computed = older.size
? rootsFromSubproof(older.size, newer.size, true, older.root, rest)
: { old: EMPTY_ROOT, new: newer.size ? newer.root : EMPTY_ROOT };
rest.checkEmpty();
if (!equal(computed.old, older.root)) {
throw refuted(
`the proof leads to root ${base64(computed.old)} for the older tree, whose root is ${base64(older.root)}`,
);
}
if (!equal(computed.new, newer.root)) {
throw refuted(`the proof leads to root ${base64(computed.new)}, and the tree's root is ${base64(newer.root)}`);
}
}
function rootsFromSubproof(m, n, b, known, path) {
if (m === n) {
const hash = b ? known : path.takeLast();
return { old: hash, new: hash };
}
const k = splitPoint(n);
const sibling = path.takeLast();
if (m <= k) {
const left = rootsFromSubproof(m, k, b, known, path);
return { old: left.old, new: nodeHash(left.new, sibling) };
}
const right = rootsFromSubproof(m - k, n - k, false, known, path);
return { old: nodeHash(sibling, right.old), new: nodeHash(sibling, right.new) };
}
const FILES_MAX = 200000;
const MANIFEST_TYPE = 'urn:candor:manifest:v1';
const MANIFEST_FORM = exactly({
manifest: text,
files: list(exactly({ path: filePath, size: some(count), digest: digestSet })),
});
function parseCanonical(bytes, what) {
try {
const json = parseJson(bytes);
return { json, isCanonical: canonicalJson(json) === fromUtf8(bytes) };
} catch (error) {
throw refuted(`the ${what} is not strict JSON: ${(error).message}`);
}
}
function parseManifest(bytes) {
const { json, isCanonical } = parseCanonical(bytes, 'manifest');
const fault = MANIFEST_FORM(json);
if (fault !== null)
throw refuted(`this is not a manifest: what is at ${fault || '/'} is none of its fields, or not of its form`);
if (json.manifest !== MANIFEST_TYPE)
throw refuted(`this is not a manifest: its type is not ${JSON.stringify(MANIFEST_TYPE)}`);
const manifest = manifestOf(json.files);
const isSorted = manifest.files.every((file, n) => file === json.files[n]);
if (!isCanonical || !isSorted) {
throw refuted('the manifest is not in canonical form (RFC 8785), or its files are not sorted by path');
}
return manifest;
}
function manifestOf(listed) {
if (!listed.length || listed.length > FILES_MAX) {
throw refuted(`a manifest lists 1 to ${FILES_MAX} files, and this one lists ${listed.length}`);
}
const files = [...listed].sort((a, b) => compareUtf8(a.path, b.path));
const paths = new Set();
for (const { path, size } of files) {
if (!isFilePath(path)) throw refuted(`the path ${shortened(path, 200)} is none that a release can have`);
if (paths.has(path)) throw refuted(`${path} is listed twice`);
if (size !== undefined && size > WHOLE_MAX)
throw refuted(`${path} is larger than ${WHOLE_MAX} bytes, the largest number that JSON keeps exactly`);
paths.add(path);
}
for (const { path } of files) {
for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
const folder = path.slice(0, at);
if (paths.has(folder)) throw refuted(`${folder} is listed as a file, and other files are listed inside it`);
}
}
const isByGitAlone = ( { digest }) => !Object.keys(digest).some(isOfBytes);
if (!algorithmsOf(files).length && !files.some(isByGitAlone)) {
throw refuted('no digest algorithm is there for every file: add one that all of them have, such as sha256');
}
const bytes = utf8(canonicalJson({ files, manifest: MANIFEST_TYPE }));
const root = hex(treeRoot(files.map((file) => leafHash(utf8(canonicalJson(file))))));
return { files, bytes, sha256: hex(sha256(bytes)), root };
}
const algorithmsOf = (files) =>
ALGORITHMS.filter((name) => isOfBytes(name) && files.every(({ digest }) => Object.hasOwn(digest, name)));
function checkStated({ files, sha256: digest, root }, stated) {
const sum = files.reduce((sum, { size }) => sum + BigInt(size ?? U64_MAX + 1n), 0n);
const total = sum > U64_MAX ? null : sum;
const sorted = ( names) => ALGORITHMS.filter((name) => names.includes(name)).join();
const fields = {
'manifest/digest/sha256': [stated.manifest.digest.sha256, digest],
root: [stated.root, root],
files: [stated.files, files.length],
bytes: [String(stated.bytes ?? null), String(total)],
algorithms: [sorted(stated.algorithms), sorted(algorithmsOf(files))],
};
for (const [field, [says, actual]] of Object.entries(fields)) {
if (says !== actual)
throw refuted(
`/predicate/${field}: the statement says ${JSON.stringify(says)}, and its manifest ${JSON.stringify(actual)}`,
);
}
}
function compareFolder({ files }, found) {
const rest = new Map(found.map((file) => [file.path, file]));
const result = {
same: 0,
weak:  ([]),
notCompared:  ([]),
changed:  ([]),
missing:  ([]),
extra:  ([]),
};
for (const listed of files) {
const { path, size, digest } = listed;
const file = rest.get(path);
rest.delete(path);
const common = ALGORITHMS.filter((name) => digest[name]?.length === (file?.digest[name]?.length ?? -1));
if (!file) result.missing.push(path);
else if (
(size !== undefined && size !== file.size) ||
common.some((name) => digest[name] !== file.digest[name])
)
result.changed.push(path);
else if (!common.length) result.notCompared.push(path);
else if (common.some(isStrong)) result.same++;
else result.weak.push(path);
}
result.extra.push(...rest.keys());
return result;
}
const CHUNK_LIST_BYTES_MAX = 8 << 20;
const TENSORS_TYPE = 'urn:candor:tensors:v1';
const TENSORS_MAX = 200000;
const TENSOR_LIST_BYTES_MAX = 32 << 20;
function parseChunkList(bytes, stated, { files }) {
const chunked = files.filter(({ size }) => size !== undefined && size > CHUNK_BYTES);
const expected = chunked.reduce(
(sum, { size }) => sum + 32 * Math.ceil( (size) / CHUNK_BYTES),
0,
);
if (bytes.length !== expected || !expected) {
throw refuted(
`/predicate/chunks/list: a chunk list of ${bytes.length} bytes, and the manifest's files have chunks for ${expected}`,
);
}
if (expected > CHUNK_LIST_BYTES_MAX) {
throw refuted(
`/predicate/chunks/list: a chunk list of ${expected} bytes, and the most that one may have are ${CHUNK_LIST_BYTES_MAX}: leave it out`,
);
}
const chunks = new Map();
let at = 0;
const leaves = chunked.map(({ path, size = 0 }) => {
const hashes = Array.from({ length: Math.ceil(size / CHUNK_BYTES) }, () => bytes.subarray(at, (at += 32)));
chunks.set(path, hashes);
return leafHash(utf8(canonicalJson({ bytes: size, path, root: hex(treeRoot(hashes)) })));
});
const root = hex(treeRoot(leaves));
if (root !== stated.root)
throw refuted(`/predicate/chunks/root: the statement says ${stated.root}, and its chunk list ${root}`);
return chunks;
}
const tensorForm = exactly({ bytes: count, dtype: text, name: text, sha256: digest, shape: list(count) });
const TENSORS_FORM = exactly({
list: text,
tensors: list(exactly({ tensor: tensorForm, places: list(exactly({ path: filePath, offset: count })) })),
});
function parseTensorList(bytes, stated, { files }) {
if (bytes.length > TENSOR_LIST_BYTES_MAX) {
throw refuted(
`a tensor list of ${bytes.length} bytes, and the most that one may have are ${TENSOR_LIST_BYTES_MAX}`,
);
}
const { json, isCanonical } = parseCanonical(bytes, 'tensor list');
const fault = TENSORS_FORM(json);
if (fault !== null)
throw refuted(
`this is not a tensor list: what is at ${fault || '/'} is none of its fields, or not of its form`,
);
if (json.list !== TENSORS_TYPE)
throw refuted(`this is not a tensor list: its type is not ${JSON.stringify(TENSORS_TYPE)}`);
const { tensors } = json;
const places = tensors.reduce(( sum,  it) => sum + it.places.length, 0);
if (!tensors.length || tensors.length > TENSORS_MAX) {
throw refuted(`a tensor list has 1 to ${TENSORS_MAX} tensors, and this one has ${tensors.length}`);
}
if (places > 2 * TENSORS_MAX)
throw refuted(`the tensors of a list have at most ${2 * TENSORS_MAX} places, and these have ${places}`);
const sizes = new Map(files.map(({ path, size }) => [path, size]));
let before = '';
const leaves = [];
for (const listed of tensors) {
const rule = tensorFault(listed, sizes);
if (rule) throw refuted(`tensor ${shortened(listed.tensor.name, 100)}: ${rule}`);
const canonical = canonicalJson(listed.tensor);
if (!isCanonical || compareUtf8(before, canonical) >= 0 || !arePlacesSorted(listed.places)) {
throw refuted(
'the tensor list is not in canonical form (RFC 8785), or its tensors are not each once and in their order',
);
}
leaves.push(leafHash(utf8(canonical)));
before = canonical;
}
const root = hex(treeRoot(leaves));
for (const [field, says, actual] of [
['count', stated.count, tensors.length],
['root', stated.root, root],
]) {
if (says !== actual)
throw refuted(`/predicate/tensors/${field}: the statement says ${says}, and its tensor list ${actual}`);
}
return tensors;
}
const arePlacesSorted = (places) =>
places.every(
(place, n) => !n || (compareUtf8(places[n - 1].path, place.path) || places[n - 1].offset - place.offset) < 0,
);
function tensorFault({ tensor: { name, dtype, shape, bytes }, places }, sizes) {
for (const [what, value, bytesMax] of [
['name', name, 1024],
['type', dtype, 64],
]) {
const length = utf8(value).length;
if (length > bytesMax) return `its ${what} has ${length} bytes, and may have ${bytesMax}`;
if (!isPlainText(value)) return `its ${what} can't be shown as it is`;
}
if (!dtype) return 'its elements have no type';
if (shape.length > 64) return `it has ${shape.length} dimensions, and may have 64`;
if (!places.length) return 'it is in no file';
for (const { path, offset } of places) {
if (!sizes.has(path)) return `${path} is not a file of the manifest`;
const size = sizes.get(path);
if (size === undefined || bytes > size || offset > size - bytes)
return `${bytes} bytes from byte ${offset} on are not in ${path}`;
}
return null;
}
const withdrawnBy = ({ index, statement }, records) =>
records.find(
(it) =>
it.statement.kind === 'withdrawal' &&
it.statement.publisher === statement.publisher &&
it.statement.release === statement.release &&
it.index > index &&
(it.statement.predicate.scope === 'release' || it.statement.subject.sha256 === statement.digest),
);
const releaseWithdrawnBy = (release, records) =>
records.find(
({ statement }) =>
statement.kind === 'withdrawal' && statement.predicate.scope === 'release' && statement.release === release,
);
function isCarriedBy({ statement: { kind, release } }, records) {
const carries = ( it) => it === 'weights' || it === 'model-card';
if (carries(kind)) return true;
if (kind !== 'training-config' && kind !== 'api-version') return false;
return !records.some(
(it) => carries(it.statement.kind) && it.statement.release === release && !withdrawnBy(it, records),
);
}
function withdrawnWords({ index, statement: { predicate } }) {
const explanation = plain(predicate.explanation.replace(/\s+/g, ' ').trim());
const instead = predicate.replacement ? ` Use ${predicate.replacement} instead.` : '';
return `withdrawn by entry ${index} (${predicate.reason}): ${explanation}${instead && !/[.!?]$/.test(explanation) ? '.' : ''}${instead}`;
}
const EDGES_MAX = 4000;
const NODES_MAX = 1001;
function refutedParents(release, records) {
const byRelease = new Map();
for (const logged of records) {
const about = logged.statement.release;
if (about !== null) byRelease.set(about, [...(byRelease.get(about) ?? []), logged]);
}
const faults = [];
const nodes = [release];
let edges = 0;
for (let n = 0; n < nodes.length; n++) {
for (const { by, parent, isRecord } of namedParents(byRelease.get(nodes[n]) ?? [])) {
const isNew = !nodes.includes(parent.release);
if (edges >= EDGES_MAX || (isNew && nodes.length >= NODES_MAX)) continue;
edges++;
if (isNew) nodes.push(parent.release);
const fault = isRecord && parentFault(parent, by.index, records);
if (fault)
faults.push(`${nodes[n]} names ${parent.release} as its parent (${parent.relation}), and ${fault}`);
}
}
return faults;
}
function namedParents(about) {
const named = about
.filter(({ statement }) => statement.kind === 'weights')
.flatMap((by) =>
(by.statement.predicate.parents ?? []).map(( parent) => ({ by, parent, isRecord: true })),
);
for (const by of about.filter(({ statement }) => statement.kind === 'training-config')) {
for (const parent of by.statement.predicate.parents ?? []) {
const isSame = ( it) =>
it.parent.relation === parent.relation && it.parent.release === parent.release;
if (!named.some(isSame)) named.push({ by, parent, isRecord: false });
}
}
return named;
}
function parentFault(parent, child, records) {
const index = BigInt(parent.index);
if (index >= child) return `entry ${index} does not stand before entry ${child}, which names it`;
const found = records.find((it) => it.index === index)?.statement;
if (!found) return null;
if (found.digest !== parent.statement)
return `entry ${index} has the statement digest ${found.digest}, and not ${parent.statement}`;
if (found.subject.name !== parent.release)
return `entry ${index} is about ${found.subject.name}, and not about ${parent.release}`;
if (!saysWhatAReleaseIs(found.kind)) {
return `entry ${index} is a record of the kind ${found.kind}, and a parent is named by its weights, model-card or api-version record`;
}
return null;
}
const NOTE_SIGNATURES_MAX = 128;
const NOTE_BYTES_MAX = NOTE_SIGNATURES_MAX * 5120 + 65536;
const ED25519 = 1;
const isKeyName = (text) =>
text !== '' && !/[\0-\x20+\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/.test(text);
function parseVerifierKey(text) {
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
const keyId = (name, typed) => hex(sha256(utf8(`${name}\n`), typed).subarray(0, 4));
function parseNote(bytes) {
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
function parseSignature(line) {
const parts = /^— ([^ ]+) ([^ ]+)$/.exec(line);
const bytes = parts && fromBase64(parts[2]);
if (!parts || !bytes || bytes.length < 5 || !isKeyName(parts[1])) return null;
return { name: parts[1], id: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
}
async function verifyNote(note, keys) {
const message = utf8(note.text);
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
const named = ( list) =>
list.map(({ name, id }) => `${name}+${id}`).join(', ');
throw refuted(`the note is signed by ${named(note.signatures)}, and not by ${named(keys)}`, '', {
isOtherKey: true,
});
}
return [...signedBy];
}
const EXTENSION_LINES_MAX = 16;
const URL_BYTES_MAX = 1024;
function parseU64(text) {
const number = /^(?:0|[1-9][0-9]{0,19})$/.test(text) ? BigInt(text) : null;
return number === null || number > U64_MAX ? null : number;
}
async function verifyCheckpoint(note, key) {
const bytes = typeof note === 'string' ? utf8(note) : note;
const parsed = parseNote(bytes);
await verifyNote(parsed, [key]);
return { ...parseCheckpoint(parsed.text, key.name), text:  (fromUtf8(bytes)) };
}
function parseCheckpoint(text, origin) {
const lines = text.replace(/\n$/, '').split('\n');
const [found, sizeLine, rootLine, ...extensions] = lines;
if (lines.length < 3) throw refuted(`a checkpoint has at least three lines, and this one has ${lines.length}`);
if (found !== origin) {
throw refuted(`this is a checkpoint of ${shortened(found, 100)}, and not of ${origin}`, '', {
isOtherKey: true,
});
}
const size = parseU64(sizeLine);
if (size === null) {
throw refuted(
`the checkpoint's second line is ${shortened(sizeLine)} and should be the tree size, without leading zeroes`,
);
}
const root = fromBase64(rootLine);
if (root?.length !== 32) {
throw refuted(
`the checkpoint's third line is ${shortened(rootLine)} and should be the root hash, the base64 of 32 bytes`,
);
}
if (extensions.length > EXTENSION_LINES_MAX || extensions.includes('')) {
throw refuted(`the checkpoint has an empty extension line, or over ${EXTENSION_LINES_MAX}`);
}
const retirements = extensions.filter((line) => line.split(' ', 1)[0] === 'retired').map(parseRetirement);
if (retirements.length > 1) throw refuted('the checkpoint says twice that the log is retired');
if (size === 0n && !equal(root, EMPTY_ROOT)) {
throw refuted(
'the checkpoint says that the tree is empty and gives it a root that the empty tree does not have',
);
}
return { origin, size, root, extensions, retirement: retirements[0] ?? null };
}
function parseRetirement(line) {
const fault = ( what) =>
refuted(`the checkpoint says that the log is retired, and how can't be read: ${what}`);
const [, key, url, ...more] = line.split(' ');
if (key === undefined) return { next: null };
if (url === undefined || more.length)
throw fault(`the line ${shortened(line)} should be \`retired\`, or \`retired KEY URL\``);
try {
parseVerifierKey(key);
} catch (error) {
throw fault(`the next log's key is refused: ${(error).message}`);
}
if (!/^https?:\/\/[\x21-\x7e]+$/.test(url) || url.length > URL_BYTES_MAX) {
throw fault(
`the next log's address is ${shortened(url)}, and should be a URL of http or https, of at most ${URL_BYTES_MAX} bytes`,
);
}
return { next: { key, url: url.replace(/\/+$/, '') } };
}
const plainNumber = (n) => (n <= Number.MAX_SAFE_INTEGER ? Number(n) : n);
const checkpointGist = ({ origin, size, root, retirement, text }) => ({
origin,
size: plainNumber(size),
root: base64(root),
retirement,
text,
});
async function verifyBundle(bundle, key) {
const checkpoint = await verifyCheckpoint(bundle.checkpoint, key).catch((error) => {
const within = error.within('its checkpoint does not hold: ');
throw error.isOtherKey
? badInput(within.message, 'check that the key is that of the log that the bundle is from')
: within;
});
const publishers = new Map();
const records = [];
for (const bundled of bundle.records) {
const index = BigInt(bundled.index);
const last = records.at(-1);
if (last && last.index >= index) throw refuted(`record ${index} of the log is out of order, or there twice`);
const record = await verifyBundled(bundled, index, checkpoint, publishers);
const { publisher } = record.statement;
publishers.set(publisher, stateAfter(publishers.get(publisher), record, index));
records.push({ index, ...record });
}
if (!records.some(({ statement }) => statement.release === bundle.release)) {
throw refuted(`the bundle says to be about ${bundle.release}, and has no record of it`);
}
const attachments = readAttachments(bundle.attachments ?? []);
checkOncePerRelease(records);
checkNamed(records, attachments);
return { release: bundle.release, checkpoint, records, attachments, ...readLists(records, attachments) };
}
async function verifyBundled({ entry: json, proof }, index, { size, root }, publishers) {
const at = `entry ${index}: `;
const envelope = within(at, () => envelopeFromJson(json));
const entry = entryOf(envelope);
if (entry.length > ENTRY_BYTES_MAX) {
throw badInput(
`this is not a bundle: the entry has ${entry.length} bytes, and the log takes at most ${ENTRY_BYTES_MAX}`,
);
}
if (index >= size)
throw refuted(`the proof is about entry ${index}, and its checkpoint's tree has ${size} entries`);
const path = proof.map(fromBase64);
within(`the entry is not at index ${index} of the log: `, () =>
verifyInclusion({ index, size, leaf: leafHash(entry), path, root }),
);
const record = within(at, () => recordOf(envelope));
return verifyRecord(record, publishers.get(record.statement.publisher)).catch((error) => {
throw error.within(at);
});
}
function within(where, check) {
try {
return check();
} catch (error) {
throw error instanceof Refusal ? error.within(where) : error;
}
}
function readAttachments(listed) {
const attachments = new Map();
for (const { sha256: stated, data } of listed) {
const bytes = fromBase64(data);
if (!bytes) throw refuted(`attachment ${stated}: its data is not base64`);
const actual = hex(sha256(bytes));
if (actual !== stated) throw refuted(`attachment ${stated}: its bytes have the digest ${actual}`);
attachments.set(actual, bytes);
}
return attachments;
}
function checkOncePerRelease(records) {
const seen = new Map();
for (const {
index,
statement: { kind, release },
} of records) {
if (!isOncePerRelease(kind)) continue;
const name = `${kind} records of ${release}`;
if (seen.has(name)) throw refuted(`entries ${seen.get(name)} and ${index} are both ${name}, which has one`);
seen.set(name, index);
}
}
function checkNamed(records, attachments) {
const named = new Set(
records.flatMap(({ statement }) => statement.attachments.map((it) => `${it.sha256} ${it.size}`)),
);
for (const digest of [...attachments.keys()].sort()) {
const { length } =  (attachments.get(digest));
if (!named.has(`${digest} ${length}`))
throw refuted(`attachment ${digest}: no record of the bundle names a document of these bytes`);
}
}
function readLists(records, attachments) {
const [manifests, chunkLists, tensorLists] = [new Map(), new Map(), new Map()];
const weights = records.filter(({ statement }) => statement.kind === 'weights');
const document = ( attachment) => attachment && attachments.get(attachment.digest.sha256);
for (const {
index,
statement: { predicate },
} of weights) {
const bytes = document(predicate.manifest);
if (!bytes) continue;
within(`entry ${index}: its manifest: `, () => {
const manifest = parseManifest(bytes);
checkStated(manifest, predicate);
manifests.set(index, manifest);
});
}
for (const {
index,
statement: { predicate },
} of weights) {
const manifest = manifests.get(index);
const [chunks, tensors] = [document(predicate.chunks?.list), document(predicate.tensors?.list)];
within(`entry ${index}: its manifest: `, () => {
if (manifest && chunks) chunkLists.set(index, parseChunkList(chunks, predicate.chunks, manifest));
if (manifest && tensors) tensorLists.set(index, parseTensorList(tensors, predicate.tensors, manifest));
});
}
return { manifests, chunkLists, tensorLists };
}
async function judgeBundle(bytes, logKey) {
try {
const verified = await verifyBundle(parseBundle(bytes), parseVerifierKey(logKey));
const { release, checkpoint, records } = verified;
const about = records.filter(({ statement }) => statement.release === release);
const findings = [...withdrawals(release, about), ...refutedParents(release, records)];
const shown = { release, checkpoint: checkpointGist(checkpoint), bundle: verified };
if (findings.length) {
return {
verdict: 'refuted',
what: findings[0],
detail: findings.join('\n'),
hint: "don't use it",
...shown,
};
}
if (!about.some(({ statement }) => isOncePerRelease(statement.kind))) {
const what = `no record by ${release.split('/')[0]} says what ${release} is: others may say of any name what they like`;
return { verdict: 'unknown', what, detail: what, hint: 'ask the log for all of it', ...shown };
}
return {
verdict: 'holds',
what: `${about.length} record${about.length === 1 ? '' : 's'} of ${release} in the log, at ${about.map(({ index }) => index).join(', ')}, signed by those who had to`,
detail: `not checked: whether anything was withdrawn, or a key taken off its list, that the bundle leaves out or that came after the checkpoint's ${checkpoint.size} entries`,
hint: '',
...shown,
};
} catch (error) {
if (!(error instanceof Refusal)) throw error;
return {
verdict: error.verdict,
what: error.message,
detail: error.message,
hint: error.hint,
checkpoint: null,
};
}
}
function withdrawals(release, about) {
const all = releaseWithdrawnBy(release, about);
if (all) return [`${release} is ${withdrawnWords(all)}`];
return about.flatMap((logged) => {
const by = withdrawnBy(logged, about);
return by && isCarriedBy(logged, about)
? [`${logged.statement.kind} (entry ${logged.index}) is ${withdrawnWords(by)}`]
: [];
});
}
function evidenceOf(finding, key, seen, shown, proof) {
const [smaller, larger] = inOrder(seen, shown);
const inLarger = proof && {
from: Number(smaller.size),
to: Number(larger.size),
rootInLargerTree: base64(proof.root),
hashes: proof.path.map(base64),
};
return {
type: 'urn:candor:evidence:v1',
finding,
origin: key.name,
logKey: key.text,
seen: seen.text,
shown: shown.text,
...(inLarger && { proof: inLarger }),
};
}
const inOrder = (a, b) => (a.size < b.size ? [a, b] : [b, a]);
async function isFork({ seen, shown, proof }, key) {
const [one, other] = [await verifyCheckpoint(seen, key), await verifyCheckpoint(shown, key)];
if (one.size === other.size) return !equal(one.root, other.root);
const [smaller, larger] = inOrder(one, other);
if (proof?.from !== Number(smaller.size) || proof.to !== Number(larger.size)) return false;
const read = ( hash) => (typeof hash === 'string' && fromBase64(hash)) || new Uint8Array();
const [root, ...path] = [proof.rootInLargerTree].concat(proof.hashes).map(read);
return refutes(root, path, smaller, larger);
}
function refutes(root, path, smaller, larger) {
try {
verifyConsistency({ size: smaller.size, root }, larger, path);
return !equal(root, smaller.root);
} catch {
return false;
}
}
const VIEW_BYTES_MAX = 32 << 20;
const PROBLEM_BYTES_MAX = 64 << 10;
const ITEMS_MAX = 20000;
const PAGES_MAX = 400;
const NEXT_MAX = 2000;
const SAID_MAX = 300;
const RETRIES_MAX = 3;
const RETRY_SECONDS_MAX = 15;
const ANSWERS_KEPT_MAX = 4096;
const isIndex = (index) => Number.isSafeInteger(index) && index >= 0;
class LogServer {
constructor(url, fetch) {
this.url = url.replace(/\/+$/, '');
this.fetch = ( ...request) => fetch(...request);
}
async view(path) {
const view = parseView(await this.ask(path, VIEW_BYTES_MAX));
if (!view) throw this.unreadable(path, 'it is no JSON object');
return view;
}
async list(path, field) {
let items = [];
let next = path;
for (let pages = 0; next; pages++) {
const { [field]: found, next: after } = await this.view(next);
if (!Array.isArray(found)) throw this.unreadable(next, `it has no ${field}`);
items = items.concat(found);
if (items.length > ITEMS_MAX || (after && (!found.length || pages === PAGES_MAX)))
throw this.unreadable(path, 'its list does not end');
if (after && !(/^\/api\/v1\/[\x21-\x7e]*$/.test(after) && after.length <= NEXT_MAX))
throw this.unreadable(next, "it names a next page that is none of the API's");
next = after?.slice(1);
}
return items;
}
async attachment(digest, bytesMax, cache) {
const bytes = await this.ask(`api/v1/attachments/${digest}`, bytesMax, cache);
const found = hex(sha256(bytes));
if (found === digest) return bytes;
if (!cache) return this.attachment(digest, bytesMax, 'reload');
throw unknown(`the log serves attachment ${digest} with bytes whose digest is ${found}`, 'tell its operator');
}
async indexes(path, field, indexOf) {
const items = await this.list(path, field).catch((error) => {
if (error.isAbsence) return [];
throw error;
});
const indexes = items.map(indexOf);
if (!indexes.every(isIndex)) throw this.unreadable(path, `its ${field} are no indexes`);
return [...new Set(indexes)].sort((a, b) => a - b).map(BigInt);
}
unreadable(path, reason) {
return unknown(
`the answer from ${this.url}/${path} can't be read: ${reason}`,
"check that the address is a Candor log's",
);
}
async ask(path, bytesMax, cache = 'default') {
const url = `${this.url}/${path}`;
for (let tries = 0; ; tries++) {
let answer;
try {
answer = await this.fetch(url, {
cache,
credentials: 'omit',
redirect: 'error',
referrerPolicy: 'no-referrer',
});
if (answer.status === 200) return await readBody(answer, bytesMax);
} catch (error) {
throw unknown(
`${url} can't be had: ${(error).message}`,
'check the network and the address, and try again',
);
}
const wait = Number(answer.headers.get('retry-after'));
if (answer.status === 503 && wait > 0 && tries < RETRIES_MAX) {
await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(wait, RETRY_SECONDS_MAX)));
continue;
}
const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json');
const problem = isProblem ? await readBody(answer, PROBLEM_BYTES_MAX).then(parseView, () => null) : null;
const isAbsence = answer.status === 404 && problem?.type === 'urn:candor:problem:not-found';
const said =
typeof problem?.detail === 'string' ? `: the log says: ${problem.detail.slice(0, SAID_MAX)}` : '';
throw unknown(
`${url} answers with status ${answer.status}${said}`,
"try again later, or tell the log's operator",
{
isAbsence,
isMissing: [403, 404, 410].includes(answer.status),
},
);
}
}
}
async function readBody(answer, bytesMax) {
const reader = answer.body?.getReader();
const parts = [];
let length = 0;
for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
length += part.value.length;
if (length > bytesMax) {
await reader?.cancel();
throw new Error(`it has more than ${bytesMax} bytes`);
}
parts.push(part.value);
}
return concat(...parts);
}
function parseView(bytes) {
try {
const view = JSON.parse(fromUtf8(bytes) ?? '');
return typeof view === 'object' ? view : null;
} catch {
return null;
}
}
class Answers {
#kept = new Map();
once(name, make) {
let found = this.#kept.get(name);
if (!found) {
if (this.#kept.size >= ANSWERS_KEPT_MAX) this.forget();
const making = make().catch((error) => {
if (this.#kept.get(name) === making) this.#kept.delete(name);
throw error;
});
this.#kept.set(name, (found = making));
}
return found;
}
forget() {
this.#kept.clear();
}
}
const MANIFEST_BYTES_MAX = 32 << 20;
const LOOKED_AT_MAX = 16;
const findFile = (client, { sha256, size }) =>
find(client, `api/v1/files/${sha256}`, 'releases', `a file with the SHA-256 ${sha256}`, async (listed) => {
const { found, manifest } = await weightsAt(client, listed.index);
const file = manifest.files.find(({ path }) => path === listed.path);
if (
found.subject.name !== listed.release ||
file?.digest.sha256 !== sha256 ||
(size !== undefined && file.size !== undefined && file.size !== size)
) {
const named = [listed.path, listed.release].map((it) => String(it).slice(0, 300)).join(' of ');
throw refuted(`the log names ${named}, entry ${listed.index}, as that file, and it is another`);
}
return {
...found,
what: `it is ${listed.path} of ${found.subject.name}, which ${found.publisher} signed (entry ${listed.index})`,
path: listed.path,
};
});
function findFolder(client, files) {
const { sha256 } = manifestOf(files);
return find(
client,
`api/v1/manifests/${sha256}`,
'records',
`exactly these ${files.length} files`,
async ({ index }) => {
const found = await recordAt(client, index);
if (found.kind !== 'weights' || found.subject.sha256 !== sha256) {
throw refuted(`the log names entry ${index} as a release of these files, and it is none`);
}
return {
...found,
what: `they are ${found.subject.name}, which ${found.publisher} signed (entry ${index})`,
};
},
);
}
function compareWithRelease(client, index, files, isPart = false) {
return attempt(async () => {
const { found, manifest } = await weightsAt(client, index);
const { same, weak, notCompared, changed, missing, extra } = compareFolder(manifest, files);
const name = found.subject.name;
const differs = Object.entries({ changed, missing: isPart ? [] : missing, 'not listed': extra }).flatMap(([how, paths]) =>
paths.map((path) => `${how}: ${path}`),
);
if (differs.length) {
throw refuted(
`these are not the files of ${name}, by ${differs.length}: ${differs.slice(0, 5).join(', ')}`,
"don't use them",
{ differs },
);
}
if (weak.length || notCompared.length) {
throw unknown(
`${same} files are as ${name} lists them, and of ${weak.length + notCompared.length} it has no strong digest`,
'ask the publisher for SHA-256 digests',
);
}
return {
...found,
what: `${same} of its ${same + missing.length} files are as ${name} lists them, which ${found.publisher} signed (entry ${index})`,
};
});
}
function find(client, path, field, what, prove) {
return attempt(async () => {
await client.checkpoint();
const { [field]: listed } = await client.view(path);
if (!Array.isArray(listed) || !listed.every((it) => isIndex(it?.index)))
throw unknown(`the log's list of releases with ${what} can't be read`, 'tell its operator');
if (!listed.length)
throw unknown(
`the log lists no release with ${what}, which nobody can prove`,
'check that you have all of it, and nothing else',
);
const first = listed
.sort((a, b) => a.index - b.index)
.filter((it, n, all) => !n || it.index !== all[n - 1].index)
.slice(0, LOOKED_AT_MAX);
const releases = [];
for (const it of first) releases.push(await attempt(() => prove(it)));
return judgeFound(releases, listed.length - first.length);
});
}
function judgeFound(releases, more) {
const own = releases.filter(({ publisher }) => publisher === releases[0].publisher);
const holding = own.find(({ verdict }) => verdict === 'holds');
if (holding) return { ...holding, releases, more };
const other = releases.find(({ verdict }) => verdict === 'holds');
if (!other) return { ...releases[0], releases, more };
return {
...other,
verdict: 'unknown',
what: `${releases[0].what}; it stands as ${other.subject.name}, which ${other.publisher} signed later`,
hint: 'whoever has files can release them under a name of their own: ask the one who came first',
releases,
more,
};
}
async function recordAt(client, index) {
if (!isIndex(index)) throw unknown(`${shortened(String(index))} is no entry's index`);
const found = await client.verifyRecord(index);
const { verdict, what, hint, subject, publisher } = found;
if (verdict !== 'holds') {
const name = subject ? `${subject.name} (entry ${index}): ` : '';
throw new Refusal(verdict, name + what, hint, { index, subject, publisher });
}
return found;
}
async function weightsAt(client, index) {
const found = await recordAt(client, index);
if (found.kind !== 'weights') throw refuted(`entry ${index} is a ${found.kind} record, and says nothing of files`);
const manifest = parseManifest(await client.attachment(found.predicate.manifest.digest.sha256, MANIFEST_BYTES_MAX));
checkStated(manifest, found.predicate);
return { found, manifest };
}
const attempt = (check) => check().catch(verdictOf);
const LEFT_OUT = ['.git', '.cache/huggingface', '.candor-fetch'];
async function listFolder(found) {
const files = [];
const ignored = [];
for (const { path, file } of found) {
const isInside = LEFT_OUT.some((name) => path.startsWith(`${name}/`));
const isBundle = /^[^/]*\.candor$/.test(path) && (await isBundleFile(file));
if (isInside || path === '.git' || isBundle) ignored.push(path);
else files.push({ path, file });
}
return { files, ignored };
}
async function isBundleFile(file) {
try {
return !!parseBundle(new Uint8Array(await file.arrayBuffer()));
} catch {
return false;
}
}
function filesOfInput(files) {
const found = [...files].map((file) => ({
path: file.webkitRelativePath.replace(/^[^/]*\//, '') || file.name,
file,
}));
return { isFolder: found.length !== 1 || !!found[0].file.webkitRelativePath, found };
}
async function filesOfDrop(transfer) {
const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
const found = [];
const isOneFolder = entries.length === 1 && !!entries[0] && 'isDirectory' in entries[0] && entries[0].isDirectory;
for (const entry of entries) {
if (entry && 'isDirectory' in entry) await walk(entry, isOneFolder ? '' : entry.name, found);
else if (entry) found.push({ path: entry.name, file: entry });
}
return { isFolder: isOneFolder || found.length !== 1, found };
}
async function walk(entry, path, found) {
if (entry.isFile) {
found.push({ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
return;
}
const reader = entry.createReader();
for (;;) {
const inside = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
if (!inside.length) return;
for (const it of inside) await walk(it, path ? `${path}/${it.name}` : it.name, found);
}
}
async function hashInWorkers(files, worker, progress) {
const total = files.reduce((sum, { file }) => sum + file.size, 0);
const done = files.map(() => 0);
const order = files.map((_, n) => n).sort((a, b) => files[b].file.size - files[a].file.size);
const hashed = [];
const work = async () => {
const own = new Worker(worker, { type: 'module' });
try {
for (let n = order.shift(); n !== undefined; n = order.shift()) {
const { path, file } = files[n];
const digest = await inWorker(own, file, (bytes) => {
done[ (n)] = bytes;
progress(
done.reduce((sum, it) => sum + it, 0),
total,
);
});
hashed[n] = { path, size: file.size, digest: { sha256: digest } };
}
} finally {
own.terminate();
}
};
const workers = Math.min(files.length, navigator.hardwareConcurrency || 2, 4);
await Promise.all(Array.from({ length: workers }, work));
return hashed;
}
function inWorker(worker, file, progress) {
return new Promise((resolve, reject) => {
worker.onerror = ({ message }) => reject(new Error(message || 'the worker does not start'));
worker.onmessage = ({ data: { bytes, hashed, error } }) => {
if (error) reject(new Error(`${file.name}: ${error}`));
else if (hashed) resolve(hashed.sha256);
else progress(bytes);
};
worker.postMessage({ file });
});
}
async function hashStream(stream, { progress = () => {}, chunks = false } = {}) {
const whole = new Sha256();
const leaves = [];
let [size, chunk] = [0, new Sha256().update(Uint8Array.of(0))];
for await (let piece of stream) {
whole.update(piece);
while (chunks && piece.length) {
const left = CHUNK_BYTES - (size % CHUNK_BYTES);
const part = piece.subarray(0, left);
chunk.update(part);
size += part.length;
piece = piece.subarray(part.length);
if (part.length === left) {
leaves.push(chunk.digest());
chunk = new Sha256().update(Uint8Array.of(0));
}
}
size += piece.length;
progress(size);
}
if (size % CHUNK_BYTES) leaves.push(chunk.digest());
return { size, sha256: hex(whole.digest()), chunks: size > CHUNK_BYTES && chunks ? leaves : [] };
}
const WIDTH = 256n;
function tilePath({ level, index, width }) {
let path = String(index % 1000n).padStart(3, '0');
for (let rest = index / 1000n; rest; rest /= 1000n) path = `x${String(rest % 1000n).padStart(3, '0')}/${path}`;
return `tile/${level}/${path}${width < 256 ? `.p/${width}` : ''}`;
}
function tileInTree(level, index, size) {
const hashes = level === 'entries' ? size : size >> BigInt(8 * level);
const left = hashes - index * WIDTH;
return { level, index, width: Number(left < WIDTH ? left : WIDTH) };
}
function tilesAbove(index, size) {
const tiles = [];
for (let level = 0; size >> BigInt(8 * level) > 0n; level++) {
const at = index >> BigInt(8 * (level + 1));
if (at * WIDTH < size >> BigInt(8 * level)) tiles.push(tileInTree(level, at, size));
}
return tiles;
}
const entryBundleOf = (index, size) => tileInTree('entries', index / WIDTH, size);
function parseTile(bytes, width) {
if (bytes.length !== 32 * width) {
throw unknown(`the tile has ${bytes.length} bytes instead of ${32 * width}: 32 for each of its hashes`);
}
return Array.from({ length: width }, (_, n) => bytes.subarray(32 * n, 32 * n + 32));
}
function parseEntryBundle(bytes, width) {
const entries = [];
let at = 0;
while (at < bytes.length && entries.length <= width) {
const length = (bytes[at] << 8) | bytes[at + 1];
if (at + 2 > bytes.length || at + 2 + length > bytes.length) {
throw unknown(`the entry bundle ends inside entry ${entries.length} of it`);
}
entries.push(bytes.subarray(at + 2, at + 2 + length));
at += 2 + length;
}
if (entries.length !== width) throw unknown(`the entry bundle holds ${entries.length} entries instead of ${width}`);
return entries;
}
function planInclusion(index, size) {
const ranges = [];
let [start, end] = [0n, size];
while (end - start > 1n) {
const middle = start + splitPoint(end - start);
if (index < middle) {
ranges.push({ start: middle, end });
end = middle;
} else {
ranges.push({ start, end: middle });
start = middle;
}
}
return { size, ranges: ranges.reverse() };
}
function planConsistency(older, newer) {
const ranges = [];
let [start, end, isWhole] = [0n, newer, true];
while (older && older !== end) {
const middle = start + splitPoint(end - start);
if (older <= middle) {
ranges.push({ start: middle, end });
end = middle;
} else {
ranges.push({ start, end: middle });
[start, isWhole] = [middle, false];
}
}
if (!isWhole) ranges.push({ start, end });
return { size: newer, ranges: ranges.reverse() };
}
const planEdge = (older, newer) => ({ size: newer, ranges: subtrees({ start: 0n, end: older }) });
function subtrees({ start, end }) {
const found = [];
while (start < end) {
const width = 1n << BigInt((end - start).toString(2).length - 1);
found.push({ start, end: start + width });
start += width;
}
return found;
}
function tileOf({ start, end }, size) {
const height = (end - start).toString(2).length - 1;
const level = Math.floor(height / 8);
const first = start >> BigInt(8 * level);
const place = Number(first % WIDTH);
return { tile: tileInTree(level, first / WIDTH, size), from: place, to: place + (1 << (height % 8)) };
}
function tilesOf({ size, ranges }) {
const tiles = ranges.flatMap(subtrees).map((subtree) => tileOf(subtree, size).tile);
return [...new Map(tiles.map((tile) => [tilePath(tile), tile])).values()];
}
function proofHashes({ size, ranges }, tiles) {
const rootOf = ( subtree) => {
const { tile, from, to } = tileOf(subtree, size);
const hashes = tiles.get(tilePath(tile))?.slice(from, to);
if (hashes?.length !== to - from)
throw refuted(`${tilePath(tile)} is needed for this proof, and is missing or too short`);
return treeRoot(hashes);
};
return ranges.map((range) => foldEdge(subtrees(range).map(rootOf)));
}
const TILE_BYTES_MAX = 256 * 32;
const ENTRY_BUNDLE_BYTES_MAX = 256 * (2 + 65535);
const TRY_AGAIN = 'try again; if it stays so, the log is damaged or lies: tell its operator and a witness';
class LogTiles {
#cache = 'default';
constructor(server, answers) {
this.server = server;
this.answers = answers;
}
async twice(check) {
try {
return await check();
} catch (error) {
if ( (error).verdict !== 'refuted') throw error;
this.answers.forget();
this.#cache = 'reload';
return await check().finally(() => (this.#cache = 'default'));
}
}
entry(index, checkpoint) {
return this.twice(() => this.#provenEntry(index, checkpoint));
}
async #provenEntry(index, { size, root }) {
if (index < 0n || index >= size) {
throw unknown(
`entry ${index} is not in the tree that the log signed, which has ${size} entries`,
'try again later',
);
}
const place = entryBundleOf(index, size);
const [entries, path] = await Promise.all([
this.#pieces(place, parseEntryBundle, ENTRY_BUNDLE_BYTES_MAX),
this.hashes(planInclusion(index, size)),
]);
const entry = entries[Number(index % 256n)];
try {
verifyInclusion({ index, size, leaf: leafHash(entry), path, root });
return entry;
} catch (error) {
const where = await this.#blame(index, size, leafHash(entry), place).catch(() => '');
throw refuted(
`entry ${index}, as the log serves it, is not in the tree of ${size} entries that the log signed: ${(error).message}${where}`,
TRY_AGAIN,
);
}
}
async #blame(index, size, leaf, place) {
let [below, hash, at] = [tilePath(place), leaf, index];
for (const tile of tilesAbove(index, size)) {
const hashes = await this.#tile(tile);
if (!equal(hashes[Number(at % 256n)], hash)) return `; ${below} is not what ${tilePath(tile)} says`;
if (tile.width < 256)
return `; ${below} is what ${tilePath(tile)} says, and the tiles do not lead to the signed root`;
[below, hash, at] = [tilePath(tile), treeRoot(hashes), at / 256n];
}
return '';
}
async hashes(plan) {
const tiles = await Promise.all(
tilesOf(plan).map(async (tile) =>  ([tilePath(tile), await this.#tile(tile)])),
);
return proofHashes(plan, new Map(tiles));
}
#tile(tile) {
return this.#pieces(tile, parseTile, TILE_BYTES_MAX);
}
#pieces(tile, parse, bytesMax) {
const path = tilePath(tile);
return this.answers.once(path, async () => {
const read = async ( width) => {
const from = tilePath({ ...tile, width });
const bytes = await this.server.ask(from, bytesMax, this.#cache);
try {
return parse(bytes, width);
} catch (error) {
throw this.server.unreadable(from,  (error).message);
}
};
return read(tile.width).catch(async (error) => {
if (!error.isMissing || tile.width === 256) throw error;
const pieces = await read(256).catch(() => {
throw error;
});
return pieces.slice(0, tile.width);
});
});
}
}
const isSameState = (a, b) => JSON.stringify(a) === JSON.stringify(b);
class MemoryOnly {
#states = new Map();
async get(origin) {
return this.#states.get(origin) ?? null;
}
async replace(origin, before, after) {
if (!isSameState(this.#states.get(origin) ?? null, before)) return false;
this.#states.set(origin, structuredClone(after));
return true;
}
}
class BrowserMemory {
forgets;
#isThere = false;
#instead = new MemoryOnly();
constructor(name = 'candor') {
this.name = name;
}
get(origin) {
return this.#run('readonly', 'get', [origin], (states, done) => {
const asked = states.get(origin);
asked.onsuccess = () => done(asked.result ?? null);
});
}
replace(origin, before, after) {
return this.#run('readwrite', 'replace', [origin, before, after], (states, done) => {
const asked = states.get(origin);
asked.onsuccess = () => {
const isStill = isSameState(asked.result ?? null, before);
if (isStill) states.put(after, origin);
done(isStill);
};
});
}
#open() {
return new Promise((resolve, reject) => {
const opened = indexedDB.open(this.name, 1);
opened.onupgradeneeded = () => opened.result.createObjectStore('logs');
opened.onsuccess = () => resolve(opened.result);
opened.onerror = () => reject(opened.error);
});
}
async #run(mode, name, args, work) {
const instead = this.#instead;
if (this.forgets) return instead[name](...args);
const database = await this.#open().catch((error) => {
if (this.#isThere) throw error;
this.forgets = String(error);
});
if (!database) return instead[name](...args);
this.#isThere = true;
try {
return await new Promise((resolve, reject) => {
const transaction = database.transaction('logs', mode, { durability: 'strict' });
let result;
transaction.oncomplete = () => resolve(result);
transaction.onabort = () => reject(transaction.error);
work(transaction.objectStore('logs'), (found) => (result = found));
});
} finally {
database.close();
}
}
}
const defaultMemory = () => (typeof indexedDB === 'undefined' ? new MemoryOnly() : new BrowserMemory());
const EVIDENCE_MAX = 32;
class LogHistory {
constructor(key, memory, server, tiles) {
this.key = key;
this.memory = memory;
this.server = server;
this.tiles = tiles;
}
async advance() {
for (let isAgain = false; ; isAgain = true) {
try {
return await this.#advance();
} catch (error) {
const { evidence } =  (error);
if (evidence?.finding === 'stale' && !isAgain) continue;
if (evidence)
await this.#keep(evidence).catch((fault) => {
Object.assign( (error), { hint: `keep the evidence yourself: ${fault}` });
});
throw error;
}
}
}
async #advance() {
const state = await this.#remembered();
await this.#refuseForked(state);
const shown = await this.#shown();
for (let before = state; ; before = await this.#remembered()) {
await this.#refuseForked(before);
const seen = before && (await this.#verifySeen(before.checkpoint));
const advance = await this.#compare(seen, shown);
if (advance === 'older' && before === state) throw this.#stale( (seen), shown);
const isClosed = advance === 'same' && shown.retirement && !seen?.retirement;
if (advance === 'older' || (advance === 'same' && !isClosed)) return { checkpoint: shown, advance };
const after = { checkpoint: shown.text, evidence: before?.evidence ?? [] };
if (await this.memory.replace(this.key.name, before, after)) return { checkpoint: shown, advance };
}
}
#remembered() {
return this.memory.get(this.key.name);
}
async #shown() {
const note = await this.server.ask('checkpoint', NOTE_BYTES_MAX, 'no-cache');
return verifyCheckpoint(note, this.key).catch((error) => {
throw new Refusal(
error.verdict === 'bad-input' ? 'unknown' : error.verdict,
`the log's checkpoint does not hold: ${error.message}`,
error.hint || "check that the key is this log's; if it is, what answers is not the log",
);
});
}
#verifySeen(note) {
return verifyCheckpoint(note, this.key).catch((error) => {
throw unknown(
`the checkpoint of ${this.key.name} that is remembered here does not hold: ${error.message}`,
"if the log's key changed, its operator can say why; what was seen under the other key proves nothing of this one",
);
});
}
async #refuseForked(state) {
for (const evidence of state?.evidence ?? []) {
if (evidence.finding === 'fork' && (await isFork(evidence, this.key).catch(() => false))) {
throw refuted(
`the log ${this.key.name} was caught with two histories, both of which it signed`,
'trust nothing that this log says; publish the evidence, or send it to a witness',
{ evidence },
);
}
}
}
async #compare(seen, shown) {
if (!seen) return 'first';
const sizes = `the tree of ${seen.size} entries that was seen before, and the one of ${shown.size} that is shown now`;
if (seen.size === shown.size) {
if (equal(seen.root, shown.root)) return 'same';
throw refuted(`the log signed two histories: ${sizes}, have two roots`, TRY_AGAIN, {
evidence: evidenceOf('fork', this.key, seen, shown),
});
}
const [smaller, larger] = inOrder(seen, shown);
const isGrown = smaller === seen;
const shows = await this.tiles.twice(() => this.#prove(smaller, larger)).catch((error) => error);
if (shows === null) return isGrown ? 'grown' : 'older';
if (!(shows instanceof Error)) {
throw refuted(
`the log signed two histories: ${sizes}, do not have the same beginning`,
'trust nothing that this log says: both signed checkpoints are kept',
{ evidence: evidenceOf('fork', this.key, seen, shown, shows) },
);
}
if (!isGrown) throw this.#stale(seen, shown);
const { verdict, message, hint, proof } =  (shows);
throw new Refusal(
verdict === 'refuted' ? verdict : 'unknown',
`the log does not show that ${sizes}, are of one history: ${message}`,
hint,
{ evidence: evidenceOf('unproven', this.key, seen, shown, proof) },
);
}
#stale(seen, shown) {
return unknown(
`the log shows a tree of ${shown.size} entries, and one of ${seen.size} was seen before`,
'ask again later, or at another address of the log; if it stays so, the log was set back or hides entries',
{ evidence: evidenceOf('stale', this.key, seen, shown) },
);
}
async #prove(smaller, larger) {
const plan = planConsistency(smaller.size, larger.size);
const path = await this.tiles.hashes(plan);
try {
verifyConsistency(smaller, larger, path);
return null;
} catch {
}
const root = await this.tiles.hashes(planEdge(smaller.size, larger.size)).then(foldEdge, () => null);
const proof = root ? { root, path } : undefined;
if (proof && refutes(proof.root, path, smaller, larger)) return proof;
const names = tilesOf(plan).map(tilePath).join(', ');
throw refuted(`its tiles are not those of the tree that it signed (${names})`, TRY_AGAIN, { proof });
}
async #keep(evidence) {
for (let state; (state = await this.#remembered()); ) {
const has = state.evidence.some((it) =>
isSameState( (it),  (evidence)),
);
if (has || (evidence.finding !== 'fork' && state.evidence.length >= EVIDENCE_MAX)) break;
const after = { ...state, evidence: [...state.evidence, evidence] };
if (await this.memory.replace(this.key.name, state, after)) break;
}
}
}
class LogClient {
#answers = new Answers();
#newest;
constructor({ url, key, fetch = globalThis.fetch, memory = defaultMemory() }) {
this.key = parseVerifierKey(key);
this.memory = memory;
this.server = new LogServer(url, fetch);
this.tiles = new LogTiles(this.server, this.#answers);
}
refresh() {
this.#newest = undefined;
this.#answers.forget();
}
checkpoint() {
this.#newest ??= new LogHistory(this.key, this.memory, this.server, this.tiles).advance().catch((error) => {
this.#newest = undefined;
throw error;
});
return this.#newest;
}
verifyCheckpoint() {
return this.#verdict(async () => {
const { checkpoint } = await this.checkpoint();
return {
what: `the log ${checkpoint.origin} signed a tree of ${checkpoint.size} entries`,
detail: `root ${base64(checkpoint.root)}`,
};
});
}
entry(index) {
return this.#answers.once(`entry ${index}`, async () => {
const { checkpoint } = await this.checkpoint();
return this.tiles.entry(index, checkpoint);
});
}
verifyRecord(index, shown = {}) {
return this.#verdict(async () => {
const at = BigInt(index);
const { statement, signedBy, entry } = await this.#record(at);
const leaf = leafHash(entry);
checkShown(at, entry, leaf, statement.digest, shown);
const found = {
index,
kind: statement.kind,
subject: statement.subject,
publisher: statement.publisher,
statement: statement.digest,
predicate: statement.predicate,
leafHash: base64(leaf),
signedBy: signedBy.map(({ keyid }) => keyid),
};
const what = `the ${statement.kind} record of ${statement.subject.name} is in the log, at entry ${index}, and signed by ${statement.publisher}`;
const by = await this.#withdrawal(at, statement, signedBy);
const withdrawn = by && `the record is ${withdrawnWords(by)}`;
const more = by ? { ...found, withdrawnBy: plainNumber(by.index) } : found;
if (withdrawn && !shown.withdrawn) throw refuted(withdrawn, "don't rely on it", more);
if (!withdrawn && shown.withdrawn)
throw unknown(`${what}, but it is shown as withdrawn, and the log lists no withdrawal`, '', more);
return {
what: withdrawn ? `${what}; ${withdrawn}` : what,
detail: `signed by ${statement.publisher} with the key ${found.signedBy.join(', ')}`,
notChecked: ["whether the log's lists leave records out"],
...more,
};
});
}
view(path) {
return this.server.view(path);
}
list(path, field) {
return this.server.list(path, field);
}
attachment(digest, bytesMax) {
return this.server.attachment(digest, bytesMax);
}
async #verdict(check) {
let checkpoint = null;
try {
const advanced = await this.checkpoint();
checkpoint = checkpointGist(advanced.checkpoint);
const { what, detail, notChecked = [], ...more } = await check();
const { size } = advanced.checkpoint;
if (advanced.advance === 'first') {
notChecked.push(
'whether this is the history that others see: no checkpoint of this log was seen here before',
);
}
if (this.memory.forgets)
notChecked.push(`what was seen before: nothing is kept here (${this.memory.forgets})`);
if (advanced.advance === 'older') {
notChecked.push(
`what came after the ${size} entries that the log shows: more of them were seen here meanwhile`,
);
}
return { verdict: 'holds', what, detail, hint: '', checkpoint, notChecked, ...more };
} catch (error) {
return { checkpoint, notChecked: [], ...verdictOf(error) };
}
}
#record(index) {
return this.#answers.once(`record ${index}`, async () => {
const entry = await this.entry(index);
const record = readRecord(index, entry);
const state = await this.#stateBefore(record.statement.publisher, index);
return { entry, ...(await this.#checkAuthority(index, record, state)) };
});
}
#checkAuthority(index, record, state) {
return verifyRecord(record, state).catch((error) => {
if (error.verdict !== 'refuted') throw error;
if (error.mayWantForEarlierRecords) {
throw unknown(
`the publisher records that the log lists don't explain entry ${index}: ${error.message}`,
'the log leaves records out of its lists, or the entry should not be there',
);
}
throw refuted(
`entry ${index} should not be in the log: ${error.message}`,
'the log broke its own rules: tell its operator and a witness',
);
});
}
async #stateBefore(name, end) {
const history = await this.#answers.once(`publisher ${name}`, () =>
this.server.indexes(`api/v1/publishers/${name}`, 'history', (it) => it),
);
let state;
for (const index of history) {
if (index >= end) break;
const before = state;
state = await this.#answers.once(`state ${name} ${index}`, async () => {
const record = readRecord(index, await this.entry(index));
const { kind, publisher } = record.statement;
if (kind !== 'publisher' || publisher !== name) {
throw refuted(`the log names entry ${index} as a record of publisher ${name}, and it is none`);
}
return stateAfter(before, await this.#checkAuthority(index, record, before), index);
});
}
return state;
}
async #withdrawal(index, statement, signedBy) {
const { release, publisher } = statement;
if (release === null) return undefined;
const path = `api/v1/records?limit=500&kind=withdrawal&subject=${encodeURIComponent(release)}&publisher=${publisher}`;
const listed = await this.#answers.once(path, () => this.server.indexes(path, 'records', (it) => it?.index));
const records = [];
for (const at of listed) if (at > index) records.push({ index: at, ...(await this.#record(at)) });
return withdrawnBy( ({ index, statement, signedBy }), records);
}
}
function readRecord(index, entry) {
try {
const envelope = parseEnvelope(entry);
if (!equal(entryOf(envelope), entry)) {
throw refuted(
'the entry is not in canonical form (RFC 8785): another program wrote it, or somebody changed it',
);
}
return recordOf(envelope);
} catch (error) {
throw refuted(
`entry ${index} is no record: ${(error).message}`,
'the log broke its own rules: tell its operator and a witness',
);
}
}
function checkShown(index, entry, leaf, digest, shown) {
const differs = ( what,  here,  there) =>
refuted(
`what is shown is not entry ${index} of the log: its ${what} is ${here}, and the log's ${there}`,
"believe the log's record, and not what is shown here",
);
if (shown.entry && !equal(shown.entry, entry))
throw differs('leaf hash', base64(leafHash(shown.entry)), base64(leaf));
const stated =
shown.leafHash === undefined
? leaf
: (shown.leafHash.length === 64 && fromHex(shown.leafHash)) || fromBase64(shown.leafHash);
if (!stated || !equal(stated, leaf)) throw differs('leaf hash', String(shown.leafHash), base64(leaf));
if (shown.statement !== undefined && shown.statement !== digest)
throw differs('statement digest', shown.statement, digest);
}
const HEADER = 'c2sp.org/tlog-proof@v1';
const PATH_HASHES_MAX = 64;
const EXTRA_BYTES_MAX = 65536;
function parseReceipt(text) {
const bytes = utf8(text).length;
if (bytes > NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX)
throw badInput(`the proof has ${bytes} bytes, more than any proof`);
const form = ( line,  rule) =>
badInput(`line ${line} of the proof: ${rule}`);
const end = text.indexOf('\n\n');
if (end < 0) throw form(1, 'the proof ends before its checkpoint, which follows an empty line');
const lines = text.slice(0, end).split('\n');
if (lines[0] !== HEADER) throw form(1, `a proof begins with ${HEADER}`);
let next = 1;
let extra = null;
if (lines[1]?.startsWith('extra ')) {
extra = fromBase64(lines[1].slice(6));
if (!extra || extra.length > EXTRA_BYTES_MAX)
throw form(2, 'behind extra comes base64, of at most 65,536 bytes');
next = 2;
}
const index = lines[next]?.startsWith('index ') ? parseU64(lines[next].slice(6)) : null;
if (index === null) throw form(next + 1, 'it should be index and a number without leading zeroes');
const path = lines.slice(next + 1, next + 2 + PATH_HASHES_MAX).map((line, n) => {
const hash = fromBase64(line);
if (hash?.length !== 32) throw form(next + 2 + n, 'it should be the base64 of a 32-byte hash');
return hash;
});
if (path.length > PATH_HASHES_MAX) throw form(next + 2 + PATH_HASHES_MAX, 'no inclusion proof has over 64 hashes');
return { extra, index, path, checkpoint: text.slice(end + 2) };
}
async function verifyReceipt(text, entry, key) {
const { index, path, checkpoint: note } = parseReceipt(text);
const checkpoint = await verifyCheckpoint(note, key).catch((error) => {
const within = error.within('its checkpoint does not hold: ');
throw error.isOtherKey
? badInput(within.message, 'check that the key is that of the log that the proof is from')
: within;
});
const { size, root } = checkpoint;
if (index >= size)
throw refuted(`the proof is about entry ${index}, and its checkpoint's tree has ${size} entries`);
try {
verifyInclusion({ index, size, leaf: leafHash(entry), path, root });
} catch (error) {
throw  (error).within(`the entry is not at index ${index} of the log: `);
}
return { index, checkpoint };
}
async function judgeReceipt(text, envelope, logKey) {
try {
const parsed = parseEnvelope(envelope);
const { statement } = recordOf(parsed);
const { index, checkpoint } = await verifyReceipt(text, entryOf(parsed), parseVerifierKey(logKey));
const what = `the ${statement.kind} record of ${statement.subject.name} is in the log, at entry ${index}; the signature is not checked: a lone proof does not say which keys are ${statement.publisher}'s`;
return {
verdict: 'unknown',
isInLog: true,
what,
detail: what,
hint: 'verify a .candor bundle that holds the record, or ask the log',
checkpoint: checkpointGist(checkpoint),
};
} catch (error) {
if (!(error instanceof Refusal)) throw error;
return {
verdict: error.verdict,
isInLog: false,
what: error.message,
detail: error.message,
hint: error.hint,
checkpoint: null,
};
}
}
export { BrowserMemory, CHUNK_BYTES, LogClient, MemoryOnly, Refusal, Sha256, canonicalJson, checkStated, compareFolder, compareWithRelease, filesOfDrop, filesOfInput, findFile, findFolder, hashBlob, hashInWorkers, hashStream, isFork, judgeBundle, judgeReceipt, leafHash, listFolder, manifestOf, nodeHash, parseBundle, parseJson, parseManifest, parseReceipt, parseVerifierKey, sha256, treeRoot, verifyBundle, verifyCheckpoint, verifyConsistency, verifyInclusion, verifyReceipt };
