/**
 * Somebody new at a demonstration's log: a question, the clicks that lead from the home page to its answer, and the answer in
 * the page's words, proven. Prints one line for each question that stays open: `node clicks.mjs MODULES URL [FILE]`. FILE is one
 * of a release's, with which somebody comes who does not know what it is.
 */

import { browserOf, Reader } from './reader.mjs';

const [modules, url, file] = process.argv.slice(2);
/** How often somebody clicks before they leave. */
const CLICKS_MAX = 3;

/** Somebody on their way from the home page. */
class Visit {
    #clicks = 0;

    /** @param {any} browser @param {string} question */
    static async begin(browser, question) {
        const it = new Visit();
        it.question = question;
        it.reader = await Reader.start(browser, url);
        await it.reader.open('/');
        return it;
    }

    get page() {
        return this.reader.page;
    }

    /** Follows what has this name: the first link, or the button. @param {'link' | 'button'} role @param {string} name */
    async click(role, name) {
        this.#clicks += 1;
        const target = this.page.getByRole(role, { name, exact: true }).first();
        await Promise.all([this.page.waitForNavigation(), target.click()]);
        this.reader.path = new URL(this.page.url()).pathname;
        this.marks = await this.reader.look();
    }

    /** @param {string} text */
    async search(text) {
        await this.page.getByRole('searchbox').first().fill(text);
        await this.click('button', 'Search');
    }

    /** What is shown must have all of these words, and all of it be proven. @param {string[]} words */
    async end(...words) {
        const shown = (await this.page.locator('main').innerText()).replace(/\s+/g, ' ');
        for (const it of words) if (!shown.includes(it)) this.#say(`the page does not say "${it}": ${shown.slice(0, 600)}`);
        const open = (this.marks ?? []).filter(({ state }) => state !== 'verified');
        if (open.length > 0) this.#say(`not proven: ${JSON.stringify(open)}`);
        if (this.#clicks > CLICKS_MAX) this.#say(`it takes ${this.#clicks} clicks`);
        for (const it of await this.reader.close()) this.#say(it);
    }

    /** @param {string} what */
    #say(what) {
        console.log(`${this.question}: ${what}`);
    }
}

const questions = {
    'Which evaluations of OPT-66B did another lab run, and do they agree?': async (visit) => {
        await visit.search('opt 66b');
        await visit.click('link', 'meta-ai/opt-66b@1.0.0');
        await visit.end('measured by eleutherai, who did not publish it', 'No two authors measured the same', 'arc_easy');
    },
    'Does anybody find what example-lab says of tiny-lm?': async (visit) => {
        await visit.click('link', 'example-lab/tiny-lm@2.0.0');
        await visit.end('measured by example-evals, who did not publish it', 'example-evals says that it tried, and did not find what example-lab claimed', 'they agree on 3 and differ on 1');
    },
    'How did Pythia 70M learn?': async (visit) => {
        await visit.click('link', 'Models');
        await visit.click('link', 'eleutherai/pythia-70m');
        await visit.end('step1000', 'step33000', 'step143000', 'arc_easy: acc');
    },
    'What answered behind chat-api in September?': async (visit) => {
        await visit.click('link', 'Models');
        await visit.click('link', 'example-lab/chat-api');
        await visit.end('example-lab/tiny-lm@2.0.0, from 2026-08-01 00:00:00 UTC until 2026-11-01');
    },
    'Which version of tiny-lm should nobody use, and why?': async (visit) => {
        await visit.click('link', 'Models');
        await visit.click('link', 'example-lab/tiny-lm');
        await visit.click('link', 'withdrawn');
        await visit.end('The tokenizer that was published with this version is that of another model');
    },
};
if (file) {
    questions['Which release is this file?'] = async (visit) => {
        const drop = visit.page.locator('[data-candor-drop]');
        await drop.locator('input[multiple]').setInputFiles(file);
        await drop.locator('li.verified').first().waitFor();
        await visit.end('of sentence-transformers/all-minilm-l6-v2@1.0.0, which sentence-transformers signed');
    };
}

const browser = await browserOf(modules);
for (const [question, answer] of Object.entries(questions)) await answer(await Visit.begin(browser, question));
await browser.close();
console.log(`answered ${Object.keys(questions).length} questions`);
