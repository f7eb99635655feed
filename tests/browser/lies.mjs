/**
 * What pages show of a log that lies, and prints one line for each lie that was not found out, or not told as it was:
 * `node lies.mjs MODULES EARLY OURS THEIRS OTHER KEY`.
 *
 *     EARLY ──one record more──► OURS          one history at two times, and
 *     THEIRS                                   another one, as long as OURS, of the same origin and by the same key
 *     OTHER                                    a log of the same origin with a KEY of its own
 *
 * In each case a reader sees the log as it is, then the lie, then the log as it is once more.
 */

import { isDeepStrictEqual } from 'node:util';

import { cases, forks } from './cases.mjs';
import { Proxy } from './proxy.mjs';
import { browserOf, Reader } from './reader.mjs';

const [modules, early, ours, theirs, other, otherKey] = process.argv.slice(2);
const RECORD = '/records/11';
/** What is said of a log for good, once it signed two histories. */
const CAUGHT = /caught with two histories, both of which it signed/;
/** How many readers there are at once. */
const READERS = 4;

/** A reader and a log that lies to nobody but them. */
class Case {
    /** @param {any} browser @param {string} name */
    static async start(browser, name, log = ours) {
        const it = new Case();
        it.name = name;
        it.proxy = await Proxy.start(log);
        // A narrow window: what is wrong has to fit there too.
        it.reader = await Reader.start(browser, it.proxy.url, { viewport: { width: 360, height: 800 } });
        // What fails is told with more words than there was room kept for.
        it.reader.shiftMax = Infinity;
        it.reader.mayMiss = true;
        return it;
    }

    /** Opens a page without what the browser kept of tiles, which it need not ask for again. @param {string} path */
    async open(path) {
        const { context, page } = this.reader;
        const session = await context.newCDPSession(page);
        await session.send('Network.clearBrowserCache');
        await session.detach();
        return this.reader.open(path);
    }

    /** @param {string} what */
    wrong(what) {
        console.log(`${this.name}: ${what}`);
    }

    /** The marks of a page must be of one state, or some of them. @param {string} when @param {string} path */
    async expect(when, path, state, words = /./) {
        const marks = await this.open(path);
        const told = JSON.stringify(marks);
        if (!marks.length) this.wrong(`${when}: ${path} has no marks`);
        const isGood =
            state === 'verified'
                ? marks.every((it) => it.state === state)
                : marks.some((it) => it.state === state && words.test(it.words));
        if (!isGood) this.wrong(`${when}: ${path} is not ${state}, with ${words}: ${told}`);
        const summary = marks.find((it) => it.path === 'summary');
        if (summary && summary.state !== state) this.wrong(`${when}: the summary of ${path} says ${summary.words}`);
        return marks;
    }

    async end() {
        for (const fault of await this.reader.close()) this.wrong(fault);
        this.proxy.close();
    }
}

/** A lie about one answer. */
async function tellLie(browser, { name, path = RECORD, about, lie, state = 'failed', words, isForGood }) {
    const it = await Case.start(browser, name);
    await it.expect('before', path, 'verified');
    it.proxy.lies = (asked, body) => (about.test(asked) ? lie(body, asked) : undefined);
    await it.expect('under the lie', path, state, words);
    if (!it.proxy.lied.size) it.wrong('nothing was lied about');
    it.proxy.lies = () => undefined;
    if (isForGood) await it.expect('afterwards', path, 'failed', CAUGHT);
    else await it.expect('afterwards', path, 'verified');
    await it.end();
}

/** Each answer that a page's proof is made of, with other bytes: whichever it is, nothing stays verified. */
async function spoilEach(browser) {
    const it = await Case.start(browser, 'each answer');
    const path = RECORD;
    await it.expect('before', path, 'verified');
    const isProof = ({ path }) => /^\/(checkpoint|tile|api)/.test(path);
    const proof = [...new Set(it.proxy.asked.filter(isProof).map((asked) => asked.path))];
    if (proof.length < 6) it.wrong(`its proof is made of ${proof}, which is too little`);
    for (const about of proof) {
        it.proxy.lies = (asked, body) => (asked === about ? body.map((byte) => byte ^ 1) : undefined);
        const marks = await it.open(path);
        if (marks.some(({ state }) => state === 'verified')) it.wrong(`${about} may be anything: ${marks[0].words}`);
    }
    it.proxy.lies = () => undefined;
    await it.expect('afterwards', path, 'verified');
    await it.end();
}

/** Another history of the same log: once it was seen, nothing that the log says is believed any more. */
async function fork(browser, { name, before, after, state, words, isForGood }) {
    const logs = { early, ours, theirs };
    const it = await Case.start(browser, name, logs[before]);
    await it.expect('before', RECORD, 'verified');
    it.proxy.log = logs[after];
    await it.expect('under the lie', RECORD, state, words);
    await it.expect('under the lie', '/releases/example-lab/tiny@1.0.0', state, /./);
    it.proxy.log = logs[before];
    if (isForGood) await it.expect('afterwards', RECORD, 'failed', CAUGHT);
    else await it.expect('afterwards', RECORD, 'verified');
    await it.end();
}

/** A log that grows is the same log. */
async function grow(browser) {
    const it = await Case.start(browser, 'a log that grows', early);
    await it.expect('before', RECORD, 'verified');
    it.proxy.log = ours;
    const marks = await it.expect('afterwards', RECORD, 'verified');
    const again = await it.expect('once more', RECORD, 'verified');
    if (!isDeepStrictEqual(marks, again)) it.wrong(`it says ${JSON.stringify(again)}`);
    await it.end();
}

/** The key that a reader pinned is another log's; the page's own is not believed then. */
async function pin(browser) {
    const it = await Case.start(browser, 'the key of another log is pinned');
    const { page } = it.reader;
    const write = async (key) => {
        await it.open('/status');
        await page.fill('[data-candor-pin] input', key);
        await page.click('[data-candor-pin] button');
        await page.waitForSelector('[data-candor-pin] .done');
    };
    await it.expect('before', RECORD, 'verified');
    await write(otherKey);
    for (const path of [RECORD, '/releases/example-lab/tiny@1.0.0', '/'])
        await it.expect('under the pin', path, 'failed', /not signed by the key that you pinned/);
    await write('');
    await it.expect('afterwards', RECORD, 'verified');
    await it.end();
}

const browser = await browserOf(modules);
const checkpoint = async (log) => (await fetch(`${log}/checkpoint`)).text();
const told = cases({ otherKey, otherCheckpoint: await checkpoint(other), theirCheckpoint: await checkpoint(theirs) });
const work = [
    ...told.map((lie) => () => tellLie(browser, lie)),
    ...forks.map((it) => () => fork(browser, it)),
    () => spoilEach(browser),
    () => grow(browser),
    () => pin(browser),
];
const count = work.length;
await Promise.all(
    Array.from({ length: READERS }, async () => {
        for (let next = work.shift(); next; next = work.shift()) await next();
    }),
);
await browser.close();
console.log(`told ${count} stories`);
