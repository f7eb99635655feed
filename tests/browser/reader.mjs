/**
 * A reader of the registry's pages in Chromium: what they see, and everything that a page must never do.
 *
 *     browserOf(MODULES) ──► Chromium ──► Reader.start ──► open(PATH), which looks at the page with all checks
 *                                                     ├──► settled(): the marks that the proofs of the page left
 *                                                     └──► faults: one sentence for each thing that was wrong
 *
 * MODULES is a folder in which npm has put playwright-core and axe-core.
 */

import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

/** How long a page may take over its proofs: two cores may have other work. */
const PATIENCE_MS = 60_000;

/** What npm has put into a folder. @param {string} modules */
export const modulesOf = (modules) => createRequire(join(resolve(modules), 'node_modules', 'x.js'));

/** @param {string} modules */
export function browserOf(modules) {
    const { chromium } = modulesOf(modules)('playwright-core');
    return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
}

/** Counts what moves and what the policy refuses, from before the page's first script. */
function watch() {
    globalThis.shifted = 0;
    globalThis.refused = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) globalThis.shifted += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
    document.addEventListener('securitypolicyviolation', (event) => globalThis.refused.push(event.violatedDirective));
}

/** Every mark of the page with its class and its words; null while something is being proven. */
function marksOf() {
    const places = [...document.querySelectorAll('[data-candor-record] [data-verdict], [data-candor-summary]')];
    const states = ['verified', 'failed', 'unknown'];
    const marks = places.map((it) => ({
        path: it.closest('[data-candor-record]')?.dataset.candorRecord ?? 'summary',
        state: states.find((state) => it.classList.contains(state)),
        words: it.title || it.textContent,
    }));
    return marks.every(({ state }) => state) ? marks : null;
}

export class Reader {
    /** What was wrong, in sentences. @type {string[]} */
    faults = [];
    /** How much a page may move while it loads and is proven. */
    shiftMax = 0.05;
    /** Whether what a page asks for may be not there. */
    mayMiss = false;
    /** Where the reader is. */
    path = '';
    #missing = false;

    /**
     * Somebody with a browser of their own, which has seen nothing yet.
     * @param {any} browser
     * @param {string} url
     * @param {any} [options] of playwright's `newContext`
     */
    static async start(browser, url, options = {}) {
        const reader = new Reader();
        reader.url = url;
        reader.scripts = options.javaScriptEnabled ?? true;
        reader.context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
        reader.context.setDefaultTimeout(PATIENCE_MS);
        if (reader.scripts) await reader.context.addInitScript(watch);
        reader.page = await reader.context.newPage();
        reader.#listen();
        return reader;
    }

    /** @param {string} what */
    wrong(what) {
        this.faults.push(`${this.path}: ${what}`);
    }

    #listen() {
        const { page } = this;
        page.on('console', (message) => {
            // Chromium reports a page that is not there as an error of its own.
            const own =
                (this.mayMiss && message.text().startsWith('Failed to load resource')) ||
                (this.#missing && message.location().url === this.url + this.path);
            if (message.type() === 'error' && !own) this.wrong(`console: ${message.text()}`);
        });
        page.on('pageerror', (error) => this.wrong(`error: ${error}`));
        page.on('request', (request) => {
            const asked = new URL(request.url());
            if (asked.protocol.startsWith('http') && asked.origin !== this.url) this.wrong(`asks ${asked.href}`);
        });
        page.on('response', (answer) => {
            if (answer.url() === this.url + this.path && answer.status() === 404) this.#missing = true;
        });
    }

    /** Opens a page, waits for its proofs, and looks at it. Returns its marks. @param {string} path */
    async open(path) {
        this.path = path;
        this.#missing = false;
        await this.page.goto(this.url + path);
        return this.look();
    }

    /** The same page again, as a reader has it by F5. */
    async reload() {
        await this.page.reload();
        return this.look();
    }

    /** What must hold for every page, whoever looks at it. */
    async look() {
        const { page } = this;
        const marks = this.scripts ? await this.settled() : [];
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) this.wrong(`${over} px wider than the window`);
        if (!(await page.evaluate(() => document.querySelector('h1')?.textContent.trim()))) this.wrong('no heading');
        if (this.scripts) {
            const { shifted, refused } = await page.evaluate(() => ({ shifted, refused }));
            if (shifted > this.shiftMax) this.wrong(`its layout shifts by ${shifted}`);
            if (refused.length > 0) this.wrong(`its policy refuses ${refused}`);
        }
        return marks;
    }

    /** The marks of the page, once its proofs ran. */
    async settled() {
        const until = Date.now() + PATIENCE_MS;
        // Not by playwright's waitForFunction, which needs a policy that lets text be run.
        let marks = await this.page.evaluate(marksOf);
        for (; !marks && Date.now() < until; marks = await this.page.evaluate(marksOf))
            await new Promise((done) => setTimeout(done, 20));
        if (!marks) this.wrong('its proofs do not end');
        // What the last mark moved is reported behind the next frame.
        await this.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100))));
        return marks ?? [];
    }

    async close() {
        if ((await this.context.cookies()).length > 0) this.wrong('cookies');
        await this.context.close();
        return this.faults;
    }
}
