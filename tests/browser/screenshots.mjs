/**
 * Whether pages look as they did, by small pictures of them: `node screenshots.mjs MODULES URL KEPT FOUND PATH…`. KEPT is the
 * folder of the pictures that were accepted; what differs is put into FOUND: the page, the picture that was kept, and where
 * they differ. Prints one line for each page that looks otherwise.
 *
 * With CANDOR_SCREENSHOTS=accept, pages look as they should, and KEPT is written anew.
 *
 * In the pictures each letter is a box, and what differs from log to log is written with one letter: see boxes.mjs.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { boxes } from './boxes.mjs';
import { difference, encode, read, shrink } from './pictures.mjs';
import { browserOf, Reader } from './reader.mjs';

const [modules, url, kept, found, ...paths] = process.argv.slice(2);
const isAccepted = process.env.CANDOR_SCREENSHOTS === 'accept';
const LOOKS = [
    { name: '1440-light', width: 1440, scheme: 'light' },
    { name: '1440-dark', width: 1440, scheme: 'dark' },
    { name: '360-light', width: 360, scheme: 'light' },
];

/** What is wrong with a page in which nobody would find their way any more, and the page where that shows. */
const SPOILT = [
    ['the grid is gone', '/', '.grid { display: block !important }'],
    ['columns lie upon each other', '/', '.grid > :first-child { margin-right: -30rem }'],
    ['a block is gone', '/', '.drop { display: none !important }'],
    ['the head is gone', '/records', '.top { visibility: hidden }'],
    ['a table lost a column', '/records', 'td:nth-child(4), th:nth-child(4) { display: none }'],
    ['a list of terms lost its columns', '/status', 'dl { display: block !important }'],
    ['the page has no margins', '/models', 'body { max-width: none !important }'],
    ['letters are twice as large', '/publishers/zeta-lab', ':root { font-size: 32px !important }'],
    ['the paper is dark', '/publishers', 'body { background: #121614 !important }'],
    ['a drawing is gone', '/releases/example-lab/tiny-api@1.0.0', 'svg { visibility: hidden }'],
    ['there is no style at all', '/search', 'all'],
];

/** Draws each letter as a box, and writes what is different in each log with one letter. */
async function plain(font) {
    const face = new FontFace(
        'boxes',
        Uint8Array.from(atob(font), (it) => it.charCodeAt(0)),
    );
    document.fonts.add(await face.load());
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(
        `*, ::before, ::after, ::marker, ::placeholder, ::file-selector-button {
            font-family: boxes !important; font-synthesis: none !important; font-kerning: none !important }`,
    );
    globalThis.spoilt = new CSSStyleSheet();
    document.adoptedStyleSheets = [sheet, globalThis.spoilt];
    // Lines break at other places for a slash or a plus sign; and days have one, two or three digits in words.
    const varying = /[A-Za-z0-9+/=]{16,}|\b[0-9a-f]{8,}\b|\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?/g;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode())
        text.data = text.data.replace(varying, (it) => '0'.repeat(it.length));
    for (const input of document.querySelectorAll('input[name=key]')) input.value = '0'.repeat(input.value.length);
    await document.fonts.ready;
    return document.fonts.check('16px boxes', 'x0é') && [...document.fonts].every(({ status }) => status === 'loaded');
}

/** A file's name for a page. @param {string} path */
const nameOf = (path) => path.replace(/[^a-z0-9.]+/gi, '-').replace(/^-|-$/g, '') || 'home';

async function pictureOf(page) {
    return shrink(await page.screenshot({ fullPage: true, animations: 'disabled', caret: 'hide', scale: 'css' }));
}

/** @param {string} look @param {string} path @param {import('./pictures.mjs').Picture} now */
function compare(look, path, now) {
    const [own, name] = [join(kept, look), `${nameOf(path)}.png`];
    if (isAccepted) {
        mkdirSync(own, { recursive: true });
        writeFileSync(join(own, name), encode(now));
        return;
    }
    const before = readKept(look, path);
    const differs = before ? difference(before, now) : { words: 'no picture of it was accepted' };
    if (!differs) return;
    const to = join(found, look, nameOf(path));
    mkdirSync(to, { recursive: true });
    writeFileSync(join(to, 'now.png'), encode(now));
    if (before) writeFileSync(join(to, 'before.png'), encode(before));
    if (differs.where) writeFileSync(join(to, 'where.png'), encode(differs.where));
    console.log(`${path} (${look}): ${differs.words}: see ${to}, and CANDOR_SCREENSHOTS=accept if it should be so`);
}

function readKept(look, path) {
    try {
        return read(readFileSync(join(kept, look, `${nameOf(path)}.png`)));
    } catch (error) {
        if (error.code === 'ENOENT') return undefined;
        throw error;
    }
}

/** Opens each page, and compares its picture with the one that was kept. */
async function look(browser, { name, width, scheme }) {
    const options = { viewport: { width, height: 900 }, colorScheme: scheme, timezoneId: 'UTC', locale: 'en-US' };
    const reader = await Reader.start(browser, url, options);
    const font = boxes().toString('base64');
    for (const path of paths) {
        await reader.open(path);
        if (!(await reader.page.evaluate(plain, font))) reader.wrong('the font of boxes is not used');
        const now = await pictureOf(reader.page);
        compare(name, path, now);
        if (name === LOOKS[0].name) await spoil(reader, path, now);
    }
    for (const fault of await reader.close()) console.log(`(${name}) ${fault}`);
}

/** Breaks a page, and expects that it is noticed. */
async function spoil(reader, path, whole) {
    for (const [name, where, style] of SPOILT.filter((it) => it[1] === path)) {
        await reader.page.evaluate((style) => {
            const own = document.querySelector('style').sheet;
            own.disabled = style === 'all';
            globalThis.spoilt.replaceSync(own.disabled ? '' : style);
        }, style);
        if (!difference(whole, await pictureOf(reader.page))) reader.wrong(`nobody would notice that ${name}`);
    }
}

/** Pictures of pages that there are no more. */
function findOrphans() {
    const names = new Set(paths.map((path) => `${nameOf(path)}.png`));
    if (names.size !== paths.length) console.log('two pages have one name');
    for (const { name: look } of LOOKS) {
        for (const file of readdirSync(join(kept, look)))
            if (!names.has(file)) console.log(`${join(kept, look, file)} is of no page`);
    }
}

for (const [name, path] of SPOILT)
    if (!paths.includes(path)) console.log(`${path}, where ${name}, is no page that is looked at`);
rmSync(found, { recursive: true, force: true });
if (isAccepted) rmSync(kept, { recursive: true, force: true });
const browser = await browserOf(modules);
await Promise.all(LOOKS.map((it) => look(browser, it)));
await browser.close();
findOrphans();
console.log(`looked at ${paths.length} pages in ${LOOKS.length} ways`);
