/**
 * A font in which each letter is the same box, made here: pages in it look the same whatever fonts a machine has, and whatever
 * digests and times they show.
 *
 *     offset table, table records, then OS/2 cmap glyf head hhea hmtx loca maxp name post    (OpenType 1.9)
 *
 *     glyph 0, 2   ▉  half an em wide      glyph 1   nothing, as wide
 */

const EM = 1000;
const ADVANCE = 500;
const [LEFT, RIGHT, TOP] = [40, 460, 620];
const [ASCENT, DESCENT] = [900, -250];
const GLYPHS = 3;
const [SPACE, BOX] = [1, 2];
/** Which glyph the characters of a range have. */
const RANGES = [
    [0x20, 0x20, SPACE],
    [0x21, 0x9f, BOX],
    [0xa0, 0xa0, SPACE],
    [0xa1, 0x1fff, BOX],
    [0x2000, 0x200f, SPACE],
    [0x2010, 0x2fff, BOX],
    [0x3000, 0x3000, SPACE],
    [0x3001, 0xfffd, BOX],
    [0x10000, 0x10fffd, BOX],
];

/** Numbers, each of so many bytes. @param {...[bytes: number, ...numbers: number[]]} fields */
function bytes(...fields) {
    const parts = fields.flatMap(([length, ...numbers]) =>
        numbers.map((number) => {
            const part = Buffer.alloc(length);
            if (number < 0) part.writeIntBE(number, 0, length);
            else part.writeUIntBE(number, 0, length);
            return part;
        }),
    );
    return Buffer.concat(parts);
}

const zeros = (count) => [2, ...Array(count).fill(0)];

function glyphs() {
    const corners = { x: [LEFT, 0, RIGHT - LEFT, 0], y: [0, TOP, 0, -TOP] };
    const box = bytes([2, 1, LEFT, 0, RIGHT, TOP], [2, 3, 0], [1, 1, 1, 1, 1], [2, ...corners.x, ...corners.y]);
    const half = box.length / 2;
    return { glyf: Buffer.concat([box, box]), loca: bytes([2, 0, half, half, 2 * half]) };
}

/** Format 13: many characters to one glyph. */
function characters() {
    const groups = RANGES.map((range) => bytes([4, ...range]));
    const head = bytes([2, 13, 0], [4, 16 + 12 * groups.length, 0, groups.length]);
    return Buffer.concat([bytes([2, 0, 1, 3, 10], [4, 12]), head, ...groups]);
}

function names() {
    const text = Buffer.from('Boxes', 'utf16le').swap16();
    const records = [1, 2, 4, 6].map((name) => bytes([2, 3, 1, 0x409, name, text.length, 0]));
    return Buffer.concat([bytes([2, 0, records.length, 6 + 12 * records.length]), ...records, text]);
}

function tables() {
    const version = [4, 0x10000];
    return {
        'OS/2': bytes(
            [2, 4, ADVANCE, 400, 5, 0, 650, 600, 0, 75, 650, 600, 0, 350, 50, 250, 0],
            [1, ...Array(10).fill(0)],
            [4, 0, 0, 0, 0, 0],
            [2, 0x40, 0x20, 0xfffd, ASCENT, DESCENT, 0, ASCENT, -DESCENT],
            [4, 1, 0],
            [2, TOP, TOP, 0, 0x20, 1],
        ),
        cmap: characters(),
        glyf: glyphs().glyf,
        head: bytes(version, version, [4, 0, 0x5f0f3cf5], [2, 3, EM], zeros(8), [
            2,
            LEFT,
            0,
            RIGHT,
            TOP,
            0,
            8,
            2,
            0,
            0,
        ]),
        hhea: bytes(version, [2, ASCENT, DESCENT, 0, ADVANCE, 0, 0, RIGHT, 1], zeros(7), [2, GLYPHS]),
        hmtx: bytes([2, ADVANCE, LEFT, ADVANCE, 0, ADVANCE, LEFT]),
        loca: glyphs().loca,
        maxp: bytes(version, [2, GLYPHS, 4, 1, 0, 0, 2], zeros(8)),
        name: names(),
        post: bytes([4, 0x30000, 0], [2, -100, 50], [4, 1, 0, 0, 0, 0]),
    };
}

/** The font's file. */
export function boxes() {
    const all = Object.entries(tables());
    let at = 12 + 16 * all.length;
    const records = all.map(([name, table]) => {
        const record = Buffer.concat([Buffer.from(name), bytes([4, sum(table), at, table.length])]);
        at += padded(table).length;
        return record;
    });
    const power = 2 ** Math.floor(Math.log2(all.length));
    const head = bytes([4, 0x10000], [2, all.length, 16 * power, Math.log2(power), 16 * (all.length - power)]);
    return Buffer.concat([head, ...records, ...all.map(([, table]) => padded(table))]);
}

/** @param {Buffer} table */
const padded = (table) => Buffer.concat([table, Buffer.alloc(-table.length & 3)]);

/** @param {Buffer} table */
function sum(table) {
    let all = 0;
    const words = padded(table);
    for (let at = 0; at < words.length; at += 4) all = (all + words.readUInt32BE(at)) >>> 0;
    return all;
}
