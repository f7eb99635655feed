/**
 * Opens pages in Chromium as readers do, and prints one line for each thing that is wrong:
 * `node pages.mjs MODULES URL PATH…`. MODULES is a folder with playwright-core and axe-core.
 */
import { readFileSync } from 'node:fs';

import { browserOf, modulesOf, Reader } from './reader.mjs';

const [modules, url, ...paths] = process.argv.slice(2);
const axe = readFileSync(modulesOf(modules).resolve('axe-core/axe.min.js'), 'utf8');
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Records whose kind, subject, publisher or index the page does not mark as such, so that nothing is held against the log. */
function unmarked() {
    return [...document.querySelectorAll('[data-candor-record]')].flatMap((mark) => {
        const says = [...mark.closest('tr, main').querySelectorAll('[data-shows]')].map((it) => it.dataset.shows);
        const missing = ['kind', 'subject', 'publisher', 'index'].filter((part) => !says.includes(part));
        return missing.map((part) => `entry ${mark.dataset.candorRecord} has no ${part} to compare`);
    });
}

async function look(browser, { scheme, width, scripts, policy }) {
    const reader = await Reader.start(browser, url, {
        colorScheme: scheme,
        viewport: { width, height: 900 },
        javaScriptEnabled: scripts,
        bypassCSP: !policy,
    });
    for (const path of paths) {
        const marks = await reader.open(path);
        for (const { path: entry, state, words } of marks)
            if (state !== 'verified') reader.wrong(`entry ${entry} is ${state}: ${words}`);
        if (scripts) for (const fault of await reader.page.evaluate(unmarked)) reader.wrong(fault);
        if (!scripts || policy) continue;
        await reader.page.evaluate(axe);
        const { violations } = await reader.page.evaluate((runOnly) => globalThis.axe.run({ runOnly }), tags);
        for (const { id, nodes } of violations)
            reader.wrong(`${id}: ${nodes[0].html.slice(0, 160)}: ${nodes[0].failureSummary}`);
    }
    for (const fault of await reader.close()) console.log(`(${scheme}, ${width} px, scripts ${scripts}) ${fault}`);
}

/** A page shows all that it has after one request, and what comes behind it is little. */
async function weigh(browser) {
    for (const path of paths) {
        // What a browser has already it does not load again, so each time it is another one.
        const [bare, whole] = [await browser.newContext(), await browser.newContext()];
        const page = await bare.newPage();
        await page.route('**/*', (route) => (route.request().isNavigationRequest() ? route.continue() : route.abort()));
        await page.goto(url + path);
        const { width, words } = await page.evaluate(() => ({
            width: getComputedStyle(document.body).maxWidth,
            words: document.querySelector('main').textContent.trim(),
        }));
        if (width === 'none' || !words) console.log(`${path}: one request shows no style, or no content`);
        const answers = [];
        const loading = await whole.newPage();
        loading.on('response', (answer) => answers.push(answer));
        await loading.goto(url + path, { waitUntil: 'networkidle' });
        const sizes = await Promise.all(answers.map((answer) => answer.request().sizes()));
        const bytes = sizes.reduce((sum, size) => sum + size.responseBodySize, 0);
        if (bytes > 150 * 1024) console.log(`${path}: all that it loads is ${bytes} bytes`);
        if (bytes < 1024) console.log(`${path}: what it loads is ${bytes} bytes, which can't be`);
        await bare.close();
        await whole.close();
    }
}

const browser = await browserOf(modules);
const looks = [weigh(browser)];
for (const scheme of ['light', 'dark']) {
    for (const width of [360, 1440]) {
        looks.push(look(browser, { scheme, width, scripts: false, policy: true }));
        looks.push(look(browser, { scheme, width, scripts: true, policy: false }));
    }
}
looks.push(look(browser, { scheme: 'light', width: 1440, scripts: true, policy: true }));
await Promise.all(looks);
await browser.close();
console.log(`looked at ${paths.length} pages`);
