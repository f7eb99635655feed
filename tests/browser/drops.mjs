/**
 * Files and folders that readers choose or drop on a log's pages, and keys that they pin; prints one line for each thing that
 * is wrong: `node drops.mjs MODULES LOG KEY OTHER_KEY RELEASE FOLDER CHANGED EMPTY`. FOLDER is what was released, CHANGED the
 * same with another byte in config.json, and EMPTY has no file. What is in FOLDER's files says SECRET again and again.
 */

import { statSync } from 'node:fs';
import { join } from 'node:path';

import { Proxy } from './proxy.mjs';
import { browserOf, Reader } from './reader.mjs';

const [modules, log, key, otherKey, release, folder, changed, empty] = process.argv.slice(2);
const SECRET = 'nobody but the reader sees this';
/** What may be asked for is a name or a digest, and not what is in a file. */
const PATH_CHARACTERS_MAX = 300;
const HEAD_CHARACTERS_MAX = 3000;
const ZONE = '[data-candor-drop]';
const OPTIONS = { viewport: { width: 1440, height: 1200 } };

/** Keeps each verdict that the drop zone shows, and how far the bar got when it changed. */
function watchZone(zone) {
    const own = document.querySelector(zone);
    const bar = own.querySelector('progress');
    Object.assign(globalThis, { verdicts: [], bars: [] });
    own.querySelector('[data-verdict]').addEventListener('candor-verdict', ({ target, detail }) =>
        verdicts.push({ state: detail.verdict, words: target.textContent, mark: target.className }),
    );
    new MutationObserver(() => bars.push({ part: bar.value / bar.max, height: bar.offsetHeight })).observe(bar, {
        attributeFilter: ['value', 'max'],
    });
}

class Drops {
    /** @param {any} browser */
    static async start(browser) {
        const it = new Drops();
        it.proxy = await Proxy.start(log);
        it.reader = await Reader.start(browser, it.proxy.url, OPTIONS);
        // Whoever drops files is told of them where there was nothing.
        it.reader.shiftMax = Infinity;
        it.page = it.reader.page;
        it.session = await it.reader.context.newCDPSession(it.page);
        return it;
    }

    async open(path) {
        await this.reader.open(path);
        await this.page.evaluate(watchZone, ZONE);
    }

    /** Does something with files, and holds what is said of them against what should be. */
    async expect(name, give, mark, words) {
        await this.page.evaluate(() => void Object.assign(globalThis, { verdicts: [], bars: [] }));
        await give();
        const isSettled = () => verdicts.some(({ state }) => state !== 'checking');
        for (let n = 0; n < 1500 && !(await this.page.evaluate(isSettled)); n++)
            await new Promise((done) => setTimeout(done, 20));
        const seen = await this.page.evaluate((zone) => {
            const releases = [...document.querySelectorAll(`${zone} [data-releases] li`)];
            return {
                verdicts,
                bars,
                releases: releases.map((it) => ({
                    mark: it.className,
                    words: it.textContent,
                    links: [...it.querySelectorAll('a')].map(({ pathname }) => pathname),
                })),
            };
        }, ZONE);
        const last = seen.verdicts.at(-1);
        if (last?.mark !== mark || !words.test(last.words))
            this.reader.wrong(`${name} is not ${mark}, with ${words}: ${JSON.stringify(seen)}`);
        if (seen.verdicts[0]?.state !== 'checking') this.reader.wrong(`${name}: nobody is told that it is being read`);
        return seen;
    }

    /** By the button for files, or the one for folders. */
    choose = (which, ...paths) => {
        const input = which === 'folder' ? 'input[webkitdirectory]' : 'input:not([webkitdirectory])';
        return async () => {
            const opened = this.page.waitForEvent('filechooser');
            await this.page.click(`${ZONE} ${input}`);
            await (await opened).setFiles(paths);
        };
    };

    /** By the mouse, from the reader's file manager. */
    drop =
        (...files) =>
        async () => {
            const { x, y, width, height } = await this.page.locator(ZONE).boundingBox();
            const at = { x: x + width / 2, y: y + height / 2 };
            const data = { items: [], files, dragOperationsMask: 1 };
            const isMarked = () => this.page.evaluate((zone) => !!document.querySelector(`${zone}.over`), ZONE);
            const marked = [];
            for (const type of ['dragEnter', 'dragOver', 'drop']) {
                await this.session.send('Input.dispatchDragEvent', { type, ...at, data });
                marked.push(await isMarked());
            }
            if (!marked[1] || marked[2]) this.reader.wrong(`where files may be dropped is not marked: ${marked}`);
        };

    /** By a script of the reader's, as some file managers in browsers do. */
    hand = (files) => () =>
        this.page.evaluate(
            ([zone, files]) => {
                const dataTransfer = new DataTransfer();
                for (const [name, text] of files) dataTransfer.items.add(new File([text], name));
                const event = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });
                document.querySelector(zone).dispatchEvent(event);
                if (!event.defaultPrevented) throw new Error('the browser would open what was dropped');
            },
            [ZONE, files],
        );

    /** Nothing that was asked for may say what is in a file. */
    checkRequests() {
        for (const { method, path, head, body } of this.proxy.asked) {
            if (method !== 'GET' || body.length) this.reader.wrong(`${method} ${path} with ${body.length} bytes`);
            if (path.length > PATH_CHARACTERS_MAX || head.length > HEAD_CHARACTERS_MAX)
                this.reader.wrong(
                    `${path.slice(0, 500)} has ${path.length} characters, and its headers ${head.length}`,
                );
            if (decodeURIComponent(path + head).includes(SECRET)) this.reader.wrong(`${path} has what is in a file`);
        }
    }

    async end() {
        this.checkRequests();
        for (const fault of await this.reader.close()) console.log(fault);
        this.proxy.close();
    }
}

const file = (name) => join(folder, name);

async function onTheHomePage(browser) {
    const it = await Drops.start(browser);
    await it.open('/');
    const isOf = (name) =>
        new RegExp(
            `^Verified: it is ${name} of ${release}, which example-lab signed \\(entry \\d+\\) \\(not checked: whether the log's lists`,
        );
    const isFolder = new RegExp(
        `^Verified: they are ${release}, which example-lab signed \\(entry \\d+\\) \\(not checked: `,
    );
    for (const [how, give] of [
        ['chosen', it.choose('file', file('config.json'))],
        ['dropped', it.drop(file('config.json'))],
    ]) {
        const { releases } = await it.expect(`a file that is ${how}`, give, 'verified', isOf('config.json'));
        if (releases.length !== 1 || releases[0].mark !== 'verified' || !isOf('config.json').test(releases[0].words))
            it.reader.wrong(`a file that is ${how} is of the releases ${JSON.stringify(releases)}`);
        const links = releases.flatMap((it) => it.links);
        if (links[0] !== `/releases/${release}` || !/^\/records\/\d+$/.test(links[1]))
            it.reader.wrong(`a file that is ${how} leads to ${links}`);
    }
    const large = await it.expect('a large file', it.choose('file', file('large.dat')), 'verified', isOf('large.dat'));
    checkProgress(it.reader, large.bars);
    for (const [how, give] of [
        ['chosen', it.choose('folder', folder)],
        ['dropped', it.drop(folder)],
    ]) {
        const { bars } = await it.expect(`a folder that is ${how}`, give, 'verified', isFolder);
        checkProgress(it.reader, bars);
    }
    const nobodys = [['unheard-of.bin', `${SECRET}, and nobody released it`]];
    const unknown = /^Could not tell: the log lists no release with /;
    const { releases } = await it.expect("nobody's file", it.hand(nobodys), 'unknown', unknown);
    if (releases.length) it.reader.wrong(`nobody's file is of the releases ${JSON.stringify(releases)}`);
    await it.expect("nobody's folder", it.drop(changed), 'unknown', unknown);
    await it.expect('several things', it.drop(file('config.json'), file('README.md')), 'unknown', unknown);
    await it.expect('an empty folder', it.drop(empty), 'unknown', /^Could not tell: there are no files/);

    // Of a log that lies, nothing is passed on.
    it.proxy.lies = (path, body) => (path.startsWith('/api/v1/attachments/') ? `${body} ` : undefined);
    // Not the manifest that was proven before.
    await it.open('/');
    await it.session.send('Network.clearBrowserCache');
    await it.expect(
        'a file, by another manifest',
        it.choose('file', file('config.json')),
        'unknown',
        /whose digest is/,
    );
    // What the browser's cache has of that does not stay.
    it.proxy.lies = (path, body) =>
        path.startsWith('/api/v1/files/') ? String(body).replace('"config.json"', '"README.md"') : undefined;
    const another = /^Failed: the log names README.md of .*, as that file, and it is another/;
    await it.expect('a file, by another name', it.choose('file', file('config.json')), 'failed', another);
    if (it.proxy.lied.size !== 2) it.reader.wrong(`it was lied about ${[...it.proxy.lied]}`);
    it.proxy.lies = () => undefined;
    await it.expect('the file again', it.choose('file', file('config.json')), 'verified', isOf('config.json'));
    await it.end();
}

/** The bar is there, moves on, and ends where it should. */
function checkProgress(reader, bars) {
    const parts = bars.map(({ part }) => part);
    if (!parts.some((part) => part > 0 && part < 1)) reader.wrong(`the bar is never between: ${parts}`);
    if (parts.at(-1) !== 1) reader.wrong(`the bar ends at ${parts.at(-1)}`);
    if (!bars.every(({ part, height }) => part === 0 || height > 0)) reader.wrong('the bar is not to be seen');
}

async function onTheReleasesPage(browser) {
    const it = await Drops.start(browser);
    await it.open(`/releases/${release}`);
    const same = new RegExp(`^Verified: \\d+ of its \\d+ files are as ${release} lists them, which example-lab signed`);
    await it.expect('the folder, chosen', it.choose('folder', folder), 'verified', same);
    await it.expect('the folder, dropped', it.drop(folder), 'verified', same);
    const differs = new RegExp(`^Failed: these are not the files of ${release}, by \\d+: changed: config.json`);
    await it.expect('a changed folder, chosen', it.choose('folder', changed), 'failed', differs);
    await it.expect('a changed folder, dropped', it.drop(changed), 'failed', differs);
    const another = /^Failed: these are not the files of .*, by 1: not listed: unheard-of.bin/;
    await it.expect("nobody's file", it.hand([['unheard-of.bin', SECRET]]), 'failed', another);
    const one = /^Verified: 1 of its \d+ files are as /;
    await it.expect('one file of it', it.choose('file', file('config.json')), 'verified', one);
    await it.end();
}

async function pinning(browser) {
    const it = await Drops.start(browser);
    const { page, reader } = it;
    const pin = async (text, mark, words) => {
        await page.fill('[data-candor-pin] input', text);
        await page.click('[data-candor-pin] button');
        const told = page.locator('[data-candor-pin] [data-verdict]');
        await told
            .and(page.locator(`.${mark}`))
            .filter({ hasText: words })
            .waitFor();
    };
    const holds = async (when, text) => {
        const has = await page.inputValue('[data-candor-pin] input');
        if (has !== text) reader.wrong(`${when} the form has ${has}`);
    };
    await reader.open('/status');
    // What the server says is the key is no decision of the reader's.
    await holds('at first', '');
    await pin(key, 'done', 'Done: the key is pinned in this browser');
    await reader.reload();
    await holds('after a reload', key);
    await pin('nonsense', 'unknown', 'Could not tell: ');
    await reader.reload();
    await holds('after nonsense', key);
    await pin(otherKey, 'done', 'Done: the key is pinned in this browser');
    await reader.reload();
    await holds('after another key', otherKey);
    await it.open('/');
    const refused = /^Failed: this log is not signed by the key that you pinned/;
    await it.expect('a file under that key', it.choose('file', file('config.json')), 'failed', refused);
    await reader.open('/status');
    await pin('', 'done', 'Done: no key is pinned');
    await reader.reload();
    await holds('with none', '');
    await it.end();
}

if (statSync(file('large.dat')).size < 3 * (8 << 20))
    console.log('the large file has too few chunks to see the bar move');
const browser = await browserOf(modules);
await Promise.all([onTheHomePage, onTheReleasesPage, pinning].map((work) => work(browser)));
await browser.close();
console.log('dropped everything');
