/**
 * Verifies what a page shows of a log, in the reader's browser. The page names the log's key and marks what it shows:
 *
 *     <meta name="candor-log-key" content="origin+id+key">  <meta name="candor-log-url" content="/">  (the default)
 *
 *     <article data-candor-record="7" data-leaf-hash="…" data-statement="…"> … <p data-verdict></p>
 *         <h1 data-shows="subject">…</h1> <b data-shows="kind">…</b> <b data-shows="publisher">…</b>
 *
 *     <section data-candor-drop> <input type="file"> <progress></progress> <p data-verdict></p> <ul data-releases></ul>
 *
 *     <form data-candor-pin> <input name="key"> <button>Pin</button> <p data-verdict></p> </form>
 *
 * A record with `data-withdrawn` is shown as one that was withdrawn: then it is its withdrawal that has to be in the log.
 * What the page says in words of a record (`data-shows`: see {@link holdWords}), in the mark's row of a table or else anywhere in
 * its `main`, has to be what the record says; what kind it is, of what and by whom has to be among that. What says so of the record
 * at 7 elsewhere on the page has `data-of="7"`. What has no such mark nothing is held against, and each verdict says so.
 * Inside `[data-candor-short]`, a verdict that is not a refusal is a word, and its `title` says the rest.
 *
 * A verdict's place gets the verdict as text, and one of the classes `verified`, `failed`, `unknown`, or `checking`; a form's
 * also `done`, which proves nothing.
 * A drop zone with `data-weights="7"` holds files against that weights record; others ask which release the files are.
 * Where there is one `[data-candor-summary]`, that is what is read out, and not each verdict.
 *
 * The reader's own key, once it is pinned, takes the place of the page's: a page that names another is not believed. All is
 * verified anew when it changes, also in another tab, and what was found under the old one is dropped.
 */

import { fromUtf8, utf8 } from './bytes.js';
import { parseEnvelope } from './envelope.js';
import { compareWithRelease, findFile, findFolder } from './find.js';
import { filesOfDrop, filesOfInput, listFolder } from './folder.js';
import { hashInWorkers } from './hash-pool.js';
import { canonicalJson, parseJson } from './json.js';
import { judgeKey, keepKey, LOG_KEY, pinKey, pinnedKey } from './keys.js';
import { LogClient } from './log-client.js';
import { defaultMemory } from './memory.js';
import { verdictOf } from './refusal.js';
import { parseVerifierKey } from './signed-note.js';
import { parseStatement } from './statement.js';

const WORKER = new URL('./hash-worker.js', import.meta.url);

/** One for all that the page asks, or what a browser without a database saw would be gone with each question. */
const MEMORY = defaultMemory();

const LABELS = /** @type {Record<string, [string, string]>} */ ({
    holds: ['verified', 'Verified'],
    refuted: ['failed', 'Failed'],
    unknown: ['unknown', 'Could not tell'],
    checking: ['checking', 'Checking'],
    done: ['done', 'Done'],
});

/** @param {string} name */
const meta = (name) =>
    /** @type {HTMLMetaElement | null} */ (document.querySelector(`meta[name="${name}"]`))?.content ?? '';

/**
 * A client of the page's log, or what speaks against the page.
 * @returns {{ client?: LogClient, refusal?: any, notChecked?: string[] }}
 */
function openLog() {
    try {
        const url = new URL(meta('candor-log-url') || '/', document.baseURI).href;
        const judged = judgeKey(url, meta(LOG_KEY));
        return judged.refusal ? judged : { client: new LogClient({ url, key: meta(LOG_KEY), memory: MEMORY }), ...judged };
    } catch (error) {
        const what = `this page names no log's key: ${/** @type {Error} */ (error).message}`;
        return { refusal: { verdict: 'unknown', what, hint: "get the key from the log's operator, and pin it" } };
    }
}

/**
 * Asks the log, and says with the answer what was left open before. The key is kept once the log's checkpoint is signed by it.
 * @param {(client: LogClient) => Promise<any>} ask @param {ReturnType<openLog>} log
 * @returns {Promise<any>} a verdict, whatever happens
 */
async function askLog(ask, { client, refusal, notChecked = [] }) {
    if (!client) return refusal;
    try {
        const verdict = await ask(client);
        if (verdict.checkpoint) keepKey(client.server.url, client.key.text);
        return { ...verdict, notChecked: [...notChecked, ...(verdict.notChecked ?? [])] };
    } catch (error) {
        return verdictOf(error);
    }
}

/** @param {string} tag @param {string} [textContent] @param {object} [more] */
const make = (tag, textContent = '', more) => Object.assign(document.createElement(tag), { textContent, ...more });

/**
 * Writes a verdict where it belongs. Text is text, whoever wrote it.
 * @param {Element} element
 * @param {{ verdict: string, what: string, hint?: string, notChecked?: string[], withdrawnBy?: any }} verdict
 */
function show(element, verdict) {
    const { what, hint, notChecked = [], withdrawnBy } = verdict;
    const [name, label] = LABELS[verdict.verdict];
    // What was proven says so, and not what the page has beside it.
    const said = withdrawnBy !== undefined && name === 'verified' ? `${label}, withdrawn` : label;
    const aside = [hint, notChecked.length && `not checked: ${notChecked.join('; ')}`].filter(Boolean).join('; ');
    const isShort = element.closest('[data-candor-short]') && name !== 'failed';
    const words = `${said}: ${what}`;
    const more = aside && ` (${aside})`;
    // What was not checked is set apart from what was.
    element.replaceChildren(isShort ? said : words, make('small', isShort ? '' : more));
    /** @type {HTMLElement} */ (element).title = isShort ? words + more : '';
    for (const [other] of Object.values(LABELS)) element.classList.toggle(other, other === name);
    element.dispatchEvent(new CustomEvent('candor-verdict', { bubbles: true, detail: verdict }));
}

/** The place of a verdict inside `element`, which is read out when it changes. @param {Element} element */
function placeIn(element) {
    const place = element.querySelector('[data-verdict]') ?? element.appendChild(make('p'));
    if (!document.querySelector('[data-candor-summary]')) readOut(place);
    return place;
}

/** A status is read out politely (WAI-ARIA 1.2, "status"). @param {Element} place */
const readOut = (place) => place.setAttribute('role', 'status');

/** Which run over the page's records is the newest. */
let newestRun = 0;

/** Verifies each record that the page shows. */
async function verifyRecords() {
    const own = ++newestRun;
    const log = openLog();
    const marks = [...document.querySelectorAll('[data-candor-record]')].map((it) => ({
        element: /** @type {HTMLElement} */ (it),
        place: placeIn(it),
    }));
    const summary = document.querySelector('[data-candor-summary]');
    if (summary) readOut(summary);
    const waiting = { verdict: 'checking', what: 'asking the log' };
    for (const place of [...marks.map((it) => it.place), ...(summary ? [summary] : [])]) show(place, waiting);
    const verdicts = [];
    for (const { element, place } of marks) {
        const verdict = await askLog((client) => verifyMark(client, element), log);
        // The reader pinned a key meanwhile: another run tells what holds under that.
        if (own !== newestRun) return;
        verdicts.push(verdict);
        show(place, verdict);
    }
    if (summary) show(summary, log.refusal ?? summed(verdicts));
}

/** All verdicts of a page in one. @param {any[]} verdicts */
function summed(verdicts) {
    const [good, bad, open] = ['holds', 'refuted', 'unknown'].map((it) => verdicts.filter((of) => of.verdict === it));
    const withdrawn = good.filter((it) => it.withdrawnBy !== undefined).length;
    return {
        verdict: bad.length ? 'refuted' : open.length || !good.length ? 'unknown' : 'holds',
        what: `${good.length} of ${verdicts.length} records on this page are in the log and signed${withdrawn ? `, ${withdrawn} of them withdrawn` : ''}; ${bad.length} failed, ${open.length} could not be checked`,
        notChecked: [...new Set(good.flatMap((it) => it.notChecked))],
    };
}

/** @param {LogClient} client @param {HTMLElement} element @returns {Promise<any>} */
async function verifyMark(client, element) {
    const { candorRecord = '', leafHash, statement, withdrawn } = element.dataset;
    if (!/^\d{1,20}$/.test(candorRecord))
        return { verdict: 'unknown', what: 'this page does not say which entry it shows' };
    const isWithdrawn = withdrawn !== undefined;
    const found = await client.verifyRecord(BigInt(candorRecord), { leafHash, statement, withdrawn: isWithdrawn });
    return found.verdict === 'holds' ? holdWords(client, element, found) : found;
}

/**
 * Holds what the page says beside a mark against the record.
 * @param {LogClient} client @param {HTMLElement} element @param {any} found what speaks for the record
 * @returns {Promise<any>} that, or what speaks against the page
 */
async function holdWords(client, element, found) {
    const entry = await client.entry(BigInt(found.index));
    const canonical = (/** @type {Uint8Array} */ bytes) => canonicalJson(parseJson(bytes));
    const payload = parseEnvelope(entry).payload;
    const says = /** @type {Record<string, any>} */ ({
        index: String(found.index),
        kind: found.kind,
        subject: found.subject.name,
        publisher: found.publisher,
        digest: found.statement,
        'subject-digest': found.subject.sha256,
        attachment: parseStatement(payload).attachments.map(({ sha256 }) => sha256),
        root: found.predicate.root,
        statement: canonical(payload),
        entry: fromUtf8(entry),
    });
    const compared = new Set();
    const beside = (element.closest('tr, main') ?? element).querySelectorAll('[data-shows]:not([data-of])');
    const elsewhere = document.querySelectorAll(`[data-shows][data-of="${found.index}"]`);
    for (const it of [...beside, ...elsewhere]) {
        const part = it.getAttribute('data-shows') ?? '';
        let text = it.textContent;
        if (part === 'kind') text = text.toLowerCase().replace(' ', '-');
        try {
            if (part === 'statement') text = canonical(utf8(text));
        } catch {
            // What is no JSON is no statement.
        }
        if (![says[part]].flat().includes(text)) {
            return {
                verdict: 'refuted',
                what: `what is shown is not entry ${found.index} of the log: its ${part} is another`,
                hint: "believe the log's record, and not what is shown here",
            };
        }
        compared.add(part);
    }
    // A row of a table has no statement to show.
    const also = element.closest('tr') || compared.has('statement') ? '' : 'the statement, and ';
    const notChecked = [`${also}what else this page says in words of its own`, ...found.notChecked];
    const missing = ['kind', 'subject', 'publisher'].filter((it) => !compared.has(it));
    if (!missing.length) return { ...found, notChecked };
    return {
        ...found,
        verdict: 'unknown',
        what: `${found.what}, but this page does not say which ${missing.join(' and ')} it shows`,
    };
}

/** @param {HTMLElement} element */
function listenForFiles(element) {
    const place = placeIn(element);
    /** What was chosen last, hashed. @type {ReturnType<typeof hashFiles> | undefined} */
    let last;
    // What was dropped first, or asked under another pin, is not told after what came last.
    let newest = 0;
    const answer = async (/** @type {ReturnType<typeof hashFiles>} */ hashing) => {
        const own = ++newest;
        const tell = (/** @type {any} */ verdict) => own === newest && show(place, verdict);
        // What was found before is not of these files, nor under this pin.
        showReleases(element, []);
        tell({ verdict: 'checking', what: 'reading the files' });
        try {
            const hashed = await hashing;
            tell({ verdict: 'checking', what: 'asking the log' });
            const log = openLog();
            const verdict = await askLog((client) => verifyFiles(element, client, hashed), log);
            if (own !== newest) return;
            show(place, verdict);
            showReleases(element, verdict.releases ?? [], log.client);
        } catch (error) {
            tell({ verdict: 'unknown', what: `the files could not be read: ${/** @type {Error} */ (error).message}` });
        }
    };
    const take = (/** @type {Chosen | Promise<Chosen>} */ chosen) => {
        last = hashFiles(element, chosen);
        answer(last);
    };
    answers.push(() => last && answer(last));
    element.addEventListener('dragover', (event) => {
        event.preventDefault();
        element.classList.add('over');
    });
    element.addEventListener('dragleave', () => element.classList.remove('over'));
    element.addEventListener('drop', (event) => {
        event.preventDefault();
        element.classList.remove('over');
        if (event.dataTransfer) take(filesOfDrop(event.dataTransfer));
    });
    /** @type {NodeListOf<HTMLInputElement>} */
    const inputs = element.querySelectorAll('input[type=file]');
    for (const input of inputs) {
        // The same files again are no change otherwise, and would not be looked at.
        input.addEventListener('click', () => (input.value = ''));
        input.addEventListener('change', () => input.files?.length && take(filesOfInput(input.files)));
    }
}

/** @typedef {{ isFolder: boolean, found: import('./folder.js').FoundFile[] }} Chosen */

/** @param {HTMLElement} element @param {Chosen | Promise<Chosen>} chosen */
async function hashFiles(element, chosen) {
    const { isFolder, found } = await chosen;
    const { files } = isFolder ? await listFolder(found) : { files: found };
    const bar = element.querySelector('progress');
    const hashed = await hashInWorkers(files, WORKER, (bytes, total) => {
        if (bar) [bar.max, bar.value] = [total || 1, bytes];
    });
    return { isFolder, hashed };
}

/**
 * @param {HTMLElement} element @param {LogClient} client @param {Awaited<ReturnType<typeof hashFiles>>} files
 * @returns {Promise<any>}
 */
async function verifyFiles(element, client, { isFolder, hashed }) {
    if (!hashed.length)
        return { verdict: 'unknown', what: 'there are no files', hint: 'choose others' };
    const { weights } = element.dataset;
    if (weights !== undefined) 
        return compareWithRelease(client, /^\d+$/.test(weights) ? Number(weights) : NaN, hashed, !isFolder);
    return isFolder
        ? findFolder(client, hashed)
        : findFile(client, { sha256: hashed[0].digest.sha256, size: hashed[0].size });
}

/**
 * Shows each release that was found, with the pages of its own that the log has.
 * @param {HTMLElement} element @param {any[]} releases @param {LogClient} [client]
 */
function showReleases(element, releases, client) {
    const link = (/** @type {string} */ path, /** @type {string} */ text) =>
        make('a', text, { href: `${client?.server.url}/${path}` });
    element.querySelector('[data-releases]')?.replaceChildren(
        ...releases.map((verdict) => {
            const item = make('li');
            show(item, verdict);
            // Only what was proven to be a record has a name.
            const { subject, index } = verdict;
            if (subject)
                item.append(' ', link(`releases/${subject.name}`, 'Release'), ' ', link(`records/${index}`, 'Record'));
            return item;
        }),
    );
}

/** @param {HTMLFormElement} form */
function listenForPin(form) {
    const input = /** @type {HTMLInputElement} */ (form.elements.namedItem('key'));
    const place = placeIn(form);
    const attempt = (/** @type {() => void} */ work) => {
        try {
            work();
        } catch (error) {
            show(place, verdictOf(error));
        }
    };
    // What the page names stays out of it: the server says that, and the reader is to have the key from somebody else.
    attempt(() => (input.value = pinnedKey() ?? ''));
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        attempt(() => {
            const key = input.value.trim();
            pinKey(key && parseVerifierKey(key).text);
            show(place, { verdict: 'done', what: key ? 'the key is pinned in this browser' : 'no key is pinned' });
            verifyPage();
        });
    });
}

/** Ask again about what was dropped, each in its place. @type {(() => void)[]} */
const answers = [];

function verifyPage() {
    verifyRecords();
    for (const answer of answers) answer();
}

document.querySelectorAll('[data-candor-drop]').forEach((it) => listenForFiles(/** @type {HTMLElement} */ (it)));
document.querySelectorAll('form[data-candor-pin]').forEach((it) => listenForPin(/** @type {HTMLFormElement} */ (it)));
// Another tab pinned a key, or forgot all of them. What comes back as it was did not hear of that.
addEventListener('storage', ({ key }) => (key === null || key === LOG_KEY) && verifyPage());
addEventListener('pageshow', ({ persisted }) => persisted && verifyPage());
verifyPage();
