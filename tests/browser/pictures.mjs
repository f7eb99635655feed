/**
 * Small grey pictures of pages: made of screenshots, kept as PNG, and compared.
 *
 *     screenshot ──► PNG, 8 bits, colours ──► grey ──► each 8 by 8 pixels are one ──► PNG, 4 bits, grey
 */

import { crc32, deflateSync, inflateSync } from 'node:zlib';

/** How many pixels of a page are one of its picture's, each way. */
const SCALE = 8;
const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const LEVELS = 16;

/**
 * How much another machine may differ: an edge that moved by a pixel changes what it is in by an eighth; and a few letters
 * more or less are no other page.
 */
const DIFFERENCE_MAX = 40;
const PIXELS_MAX = 16;
const ROWS_MAX = 1;

/** @typedef {{ width: number, height: number, grey: Uint8Array }} Picture */

/** A screenshot as a small picture. @param {Buffer} png @returns {Picture} */
export function shrink(png) {
    const { width, height, channels, rows } = decode(png);
    const small = { width: Math.ceil(width / SCALE), height: Math.ceil(height / SCALE) };
    const sums = new Float64Array(small.width * small.height);
    const counts = new Uint32Array(sums.length);
    for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
            const from = (y * width + x) * channels;
            // As the eye weighs colours (Rec. 709).
            const light =
                channels < 3 ? rows[from] : 0.2126 * rows[from] + 0.7152 * rows[from + 1] + 0.0722 * rows[from + 2];
            const to = Math.floor(y / SCALE) * small.width + Math.floor(x / SCALE);
            sums[to] += light;
            counts[to]++;
        }
    }
    return { ...small, grey: Uint8Array.from(sums, (sum, n) => Math.round(sum / counts[n])) };
}

/** A picture as PNG, in sixteen shades. @param {Picture} picture */
export function encode({ width, height, grey }) {
    const bytes = Math.ceil(width / 2);
    const rows = Buffer.alloc((1 + bytes) * height);
    for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
            const shade = Math.round((grey[y * width + x] * (LEVELS - 1)) / 255);
            rows[y * (1 + bytes) + 1 + (x >> 1)] |= x % 2 ? shade : shade << 4;
        }
    }
    const head = Buffer.alloc(13);
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    head[8] = 4;
    const chunks = [
        chunk('IHDR', head),
        chunk('IDAT', deflateSync(rows, { level: 9 })),
        chunk('IEND', Buffer.alloc(0)),
    ];
    return Buffer.concat([SIGNATURE, ...chunks]);
}

/** A picture that was kept. @param {Buffer} png @returns {Picture} */
export function read(png) {
    const { width, height, rows, channels, depth } = decode(png);
    if (channels !== 1 || depth !== 4) throw new Error('it is no picture of sixteen shades');
    const bytes = Math.ceil(width / 2);
    const grey = Uint8Array.from({ length: width * height }, (_, n) => {
        const [x, y] = [n % width, Math.floor(n / width)];
        const pair = rows[y * bytes + (x >> 1)];
        return ((x % 2 ? pair & 15 : pair >> 4) * 255) / (LEVELS - 1);
    });
    return { width, height, grey };
}

/**
 * How two pictures differ, in words, and where; nothing if they are of the same page.
 * @param {Picture} before @param {Picture} now
 */
export function difference(before, now) {
    const [width, height] = [Math.max(before.width, now.width), Math.max(before.height, now.height)];
    const where = { width, height, grey: new Uint8Array(width * height) };
    let pixels = 0;
    for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
            const differs = Math.abs(greyAt(before, x, y) - greyAt(now, x, y)) > DIFFERENCE_MAX;
            if (differs) where.grey[y * width + x] = 255;
            // The last rows of pictures that are not of one height are told of by that.
            if (differs && y < Math.min(before.height, now.height)) pixels++;
        }
    }
    const sizes = (it) => `${it.width * SCALE} by ${it.height * SCALE}`;
    if (before.width !== now.width || Math.abs(before.height - now.height) > ROWS_MAX)
        return { words: `it was ${sizes(before)} pixels, and is ${sizes(now)}`, where };
    if (pixels > PIXELS_MAX)
        return { words: `${pixels} of ${width * height} squares of ${SCALE} pixels differ`, where };
    return undefined;
}

/** @param {Picture} picture @param {number} x @param {number} y */
const greyAt = ({ width, height, grey }, x, y) => (x < width && y < height ? grey[y * width + x] : 0);

/** @param {string} name @param {Buffer} data */
function chunk(name, data) {
    const body = Buffer.concat([Buffer.from(name), data]);
    const around = Buffer.alloc(8);
    around.writeUInt32BE(data.length, 0);
    around.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
}

/** The rows of a PNG without interlacing, one behind the other. @param {Buffer} png */
function decode(png) {
    if (!png.subarray(0, 8).equals(SIGNATURE)) throw new Error('it is no PNG');
    const data = [];
    let head = Buffer.alloc(13);
    for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
        const name = png.toString('latin1', at + 4, at + 8);
        const body = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
        if (name === 'IHDR') head = body;
        if (name === 'IDAT') data.push(body);
    }
    const [width, height] = [head.readUInt32BE(0), head.readUInt32BE(4)];
    const [depth, colours] = [head[8], head[9]];
    const channels = { 0: 1, 2: 3, 6: 4 }[colours];
    if (!channels || head[12]) throw new Error(`colours of type ${colours}, interlacing ${head[12]}`);
    const bytes = Math.ceil((width * channels * depth) / 8);
    const step = Math.ceil((channels * depth) / 8);
    return { width, height, channels, depth, rows: unfiltered(inflateSync(Buffer.concat(data)), height, bytes, step) };
}

/** Takes the filters of rows away (PNG, section 9). */
function unfiltered(filtered, height, bytes, step) {
    const rows = Buffer.alloc(bytes * height);
    for (let y = 0; y < height; y++) {
        const from = y * (bytes + 1);
        const kind = filtered[from];
        for (let x = 0; x < bytes; x++) {
            const to = y * bytes + x;
            const left = x < step ? 0 : rows[to - step];
            const up = y ? rows[to - bytes] : 0;
            const corner = x < step || !y ? 0 : rows[to - bytes - step];
            const added = [0, left, up, (left + up) >> 1, kind === 4 ? nearest(left, up, corner) : 0][kind];
            rows[to] = filtered[from + 1 + x] + added;
        }
    }
    return rows;
}

/** Paeth's choice. */
function nearest(left, up, corner) {
    const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
    return a <= b && a <= c ? left : b <= c ? up : corner;
}
