/**
 * The lies: about which answer, how it is changed, and what a page says of it.
 *
 * Entry 11 is the weights record of example-lab/tiny@1.0.0, in a full bundle of 256 entries with a full tile; entry 12 was
 * withdrawn by its author.
 */

const ENTRIES = /^\/tile\/entries\/000$/;
const TILE = /^\/tile\/0\/000$/;
const INDEX = 11;

/** Changes text, which must be there. @param {string | RegExp} old @param {string} other */
const text = (old, other) => (body) => {
    const before = body.toString();
    const after = before.replace(old, other);
    // A lie that is none would be found out by nobody.
    if (after === before) throw new Error(`${old} is not in ${before}`);
    return after;
};

/** Another digit in what an attribute says. @param {string} name */
const digit = (name) => text(new RegExp(`(${name}="[^"]{20})(.)`), (_, head, old) => head + (old === '0' ? '1' : '0'));

/** Changes one byte. @param {(body: Buffer) => number} where */
const byte = (where) => (body) => {
    const other = Buffer.from(body);
    other[where(body)] ^= 1;
    return other;
};

/** Where entries stand in a bundle: two bytes of length come before each. @param {Buffer} bundle */
function entriesIn(bundle) {
    const entries = [];
    for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at))
        entries.push(bundle.subarray(at, at + 2 + bundle.readUInt16BE(at)));
    return entries;
}

/** One entry in the place of another. @param {Buffer} bundle */
function exchanged(bundle) {
    const entries = entriesIn(bundle);
    [entries[INDEX - 1], entries[INDEX]] = [entries[INDEX], entries[INDEX - 1]];
    return Buffer.concat(entries);
}

const NOT_IN_TREE = `entry ${INDEX}, as the log serves it, is not in the tree of \\d+ entries that the log signed.*`;
const RELEASE = '/releases/example-lab/tiny@1.0.0';

/** Lies of pages, about records that are in the log. */
const OF_PAGES = [
    {
        name: 'a page shows another statement digest',
        about: /^\/records\/11$/,
        lie: digit('data-statement'),
        words: /Failed: what is shown is not entry 11 of the log: its statement digest is /,
    },
    {
        name: 'a page shows another leaf hash',
        about: /^\/records\/11$/,
        lie: digit('data-leaf-hash'),
        words: /Failed: what is shown is not entry 11 of the log: its leaf hash is /,
    },
    {
        name: 'a page shows a record as another entry',
        about: /^\/records\/11$/,
        lie: text('data-candor-record="11"', 'data-candor-record="10"'),
        words: /Failed: what is shown is not entry 10 of the log/,
    },
    {
        name: 'a page shows another statement',
        about: /^\/records\/11$/,
        lie: text(/(data-shows="statement">[^<]*sha256": ".{8})./, '$1_'),
        words: /Failed: what is shown is not entry 11 of the log: its statement is another/,
    },
    {
        name: 'a page shows other raw bytes',
        about: /^\/records\/11$/,
        lie: text(/("sig":".{10})./, '$1.'),
        words: /Failed: what is shown is not entry 11 of the log: its entry is another/,
    },
    {
        name: 'a page shows a statement that is no JSON',
        about: /^\/records\/11$/,
        lie: text('data-shows="statement">{', 'data-shows="statement">['),
        words: /Failed: what is shown is not entry 11 of the log: its statement is another/,
    },
    {
        name: 'a page shows a record as one of another kind',
        about: /^\/records\/11$/,
        lie: text('data-shows="kind">weights', 'data-shows="kind">model card'),
        words: /Failed: what is shown is not entry 11 of the log: its kind is another/,
    },
    {
        name: 'a page shows another subject digest',
        about: /^\/records\/11$/,
        lie: text(/(data-shows="subject-digest">.{8})./, '$1_'),
        words: /Failed: what is shown is not entry 11 of the log: its subject-digest is another/,
    },
    {
        name: "a page shows another digest of a record's document",
        about: /^\/records\/11$/,
        lie: text(/(data-shows="attachment">.{8})./, '$1_'),
        words: /Failed: what is shown is not entry 11 of the log: its attachment is another/,
    },
    {
        name: 'a page of a release shows another Merkle root',
        path: RELEASE,
        about: /^\/releases\//,
        lie: text(/(data-shows="root"[^>]*>.{8})./, '$1_'),
        words: /Failed: what is shown is not entry 11 of the log: its root is another/,
    },
    {
        name: 'a list has another number before a record',
        path: RELEASE,
        about: /^\/releases\//,
        lie: text(/(data-shows="index"[^>]*>)1/, '$12'),
        words: /Failed: what is shown is not entry 1[01] of the log: its index is another/,
    },
    {
        name: 'a list says of nothing what it is',
        path: RELEASE,
        about: /^\/releases\//,
        lie: text(/ data-shows="[a-z]*"/g, ''),
        state: 'unknown',
        words: /this page does not say which kind and subject and publisher it shows/,
    },
    {
        name: 'a page shows a withdrawn record as one that stands',
        path: '/records/12',
        about: /^\/records\/12$/,
        lie: text(' data-withdrawn', ''),
        words: /Failed: the record is withdrawn by entry 14/,
    },
    {
        name: 'a list has another record in a row',
        path: RELEASE,
        about: /^\/releases\//,
        lie: digit('data-statement'),
        words: /Failed: what is shown is not entry 1[01] of the log/,
    },
    {
        name: 'a list says that a record is about another release',
        path: RELEASE,
        about: /^\/releases\//,
        lie: text(/(data-shows="subject"[^>]*>example-lab\/tiny)/, '$1-2'),
        words: /Failed: what is shown is not entry 1[01] of the log: its subject is another/,
    },
    {
        name: 'a list says that another publisher signed',
        path: RELEASE,
        about: /^\/releases\//,
        lie: text(/(data-shows="publisher"[^>]*>)example-lab/, '$1auditor'),
        words: /Failed: what is shown is not entry 1[01] of the log: its publisher is another/,
    },
    {
        name: 'a list has another name in the place of who signed, and does not say that it is that',
        path: RELEASE,
        about: /^\/releases\//,
        lie: text(/data-shows="publisher"( [^>]*>)example-lab/, '$1auditor'),
        state: 'unknown',
        words: /and signed by example-lab, but this page does not say which publisher it shows/,
    },
    {
        name: 'a page of a record has another name in the place of who signed',
        about: /^\/records\/11$/,
        lie: text(/data-shows="publisher"( [^>]*>)example-lab/, '$1auditor'),
        state: 'unknown',
        words: /and signed by example-lab, but this page does not say which publisher it shows/,
    },
];

/** Lies of tiles, entries and lists. */
const OF_THE_LOG = [
    {
        name: 'an entry has another byte',
        about: ENTRIES,
        lie: byte((bundle) => bundle.indexOf(entriesIn(bundle)[INDEX]) + 200),
        words: new RegExp(`${NOT_IN_TREE}tile/entries/000 is not what tile/0/000 says`),
    },
    {
        name: 'an entry stands in the place of another',
        about: ENTRIES,
        lie: exchanged,
        words: new RegExp(`${NOT_IN_TREE}tile/entries/000 is not what tile/0/000 says`),
    },
    {
        name: 'a bundle of entries on a page of a release',
        path: RELEASE,
        about: ENTRIES,
        lie: exchanged,
        words: new RegExp(NOT_IN_TREE),
    },
    {
        name: 'a tile has another hash for the entry',
        about: TILE,
        lie: byte(() => 32 * INDEX),
        // That hash is in the proofs of all entries but that one. The publisher's keys come from entry 0.
        words: /entry 0, as the log serves it, is not in the tree .*; tile\/0\/000 is not what tile\/1\/000.p\/2 says/,
    },
    {
        name: 'a tile has another hash beside the entry',
        about: TILE,
        lie: byte(() => 32 * 200),
        words: new RegExp(`${NOT_IN_TREE}tile/0/000 is not what tile/1/000.p/2 says`),
    },
    {
        name: 'the tile above has another hash',
        about: /^\/tile\/1\//,
        lie: byte(() => 32),
        words: new RegExp(`${NOT_IN_TREE}the tiles do not lead to the signed root`),
    },
    {
        name: 'the last tile has another hash',
        about: /^\/tile\/0\/002/,
        lie: byte(() => 5),
        words: new RegExp(`${NOT_IN_TREE}the tiles do not lead to the signed root`),
    },
    {
        name: "a publisher's history names a record that is none of it",
        about: /^\/api\/v1\/publishers\//,
        lie: text(/("history": ?\[)0/, '$11'),
        words: /the log names entry 1 as a record of publisher example-lab, and it is none/,
    },
    {
        name: "a publisher's history leaves records out",
        about: /^\/api\/v1\/publishers\//,
        lie: text(/("history": ?\[)0/, '$1'),
        state: 'unknown',
        words: /the publisher records that the log lists don't explain entry 11/,
    },
];

/** Lies of checkpoints. */
const OF_CHECKPOINTS = ({ otherKey, otherCheckpoint, theirCheckpoint }) => [
    {
        name: 'a checkpoint has another signature',
        about: /^\/checkpoint$/,
        lie: text(/(— \S+ .{40})(.)/, (_, head, old) => head + (old === 'A' ? 'B' : 'A')),
        words: /Failed: the log's checkpoint does not hold: .*signature/,
    },
    {
        name: 'a checkpoint has another root',
        about: /^\/checkpoint$/,
        lie: text(/(\n\d+\n.{9})(.)/, (_, head, old) => head + (old === 'A' ? 'B' : 'A')),
        words: /Failed: the log's checkpoint does not hold: .*signature/,
    },
    {
        name: 'a checkpoint has another size',
        about: /^\/checkpoint$/,
        lie: text(/\n(\d)/, '\n1$1'),
        words: /Failed: the log's checkpoint does not hold: .*signature/,
    },
    {
        name: 'a checkpoint is of another log',
        about: /^\/checkpoint$/,
        lie: () => otherCheckpoint,
        words: /Failed: the log's checkpoint does not hold: /,
    },
    {
        name: 'a page names the key of another log',
        about: /^\/records\/11$/,
        lie: text(/(name="candor-log-key" content=")[^"]*/, `$1${otherKey}`),
        words: /Failed: the log of this site had another key before/,
    },
    {
        name: 'a checkpoint that the key signed for another tree',
        isForGood: true,
        about: /^\/checkpoint$/,
        lie: () => theirCheckpoint,
        words: /Failed: the log signed two histories/,
    },
];

/** @param {Record<string, string>} context */
export const cases = (context) => [...OF_PAGES, ...OF_THE_LOG, ...OF_CHECKPOINTS(context)];

/** Another history by the same key, to a reader who saw one already. */
export const forks = [
    {
        name: 'a fork with more entries than were seen',
        before: 'early',
        after: 'theirs',
        state: 'failed',
        words: /Failed: the log signed two histories: .* do not have the same beginning/,
        isForGood: true,
    },
    {
        name: 'a fork of the same size',
        before: 'ours',
        after: 'theirs',
        state: 'failed',
        words: /Failed: the log signed two histories: .* have two roots/,
        isForGood: true,
    },
    {
        name: 'a log that was set back',
        before: 'ours',
        after: 'early',
        state: 'unknown',
        words: /the log shows a tree of \d+ entries, and one of \d+ was seen before/,
        isForGood: false,
    },
];
