/**
 * Verifies what a page shows of a log, in the reader's browser. The page names the log's key and marks what it shows:
 *
 *     <meta name="candor-log-key" content="origin+id+key">  <meta name="candor-log-url" content="/">  (the default)
 *
 *     <article data-candor-record="7" data-leaf-hash="…" data-statement="…"> … <p data-verdict></p> </article>
 *
 *         <h1 data-shows="subject">…</h1> <pre data-shows="statement">…</pre>
 *
 *     <section data-candor-drop> <input type="file"> <progress></progress> <p data-verdict></p> <ul data-releases></ul>
 *
 *     <form data-candor-pin> <input name="key"> <button>Pin</button> <p data-verdict></p> </form>
 *
 * A record with `data-withdrawn` is shown as one that was withdrawn: then it is its withdrawal that has to be in the log.
 * What the page says in words of a record (`data-shows`: `kind`, `subject`, `publisher`, `digest`, `statement`, `entry`), in the
 * mark's row of a table or else anywhere in its `main`, has to be what the record says.
 * Inside `[data-candor-short]`, a verdict that is not a refusal is a word, and its `title` says the rest.
 *
 * A verdict's place gets the verdict as text, and one of the classes `verified`, `failed`, `unknown`, or `checking`.
 * A drop zone with `data-weights="7"` holds files against that weights record; others ask which release the files are.
 * Where there is one `[data-candor-summary]`, that is what is read out, and not each verdict.
 *
 * The reader's own key, once it is pinned, takes the place of the page's: a page that names another is not believed.
 */

import { fromUtf8, utf8 } from './bytes.js';
import { parseEnvelope } from './envelope.js';
import { compareWithRelease, findFile, findFolder } from './find.js';
import { filesOfDrop, filesOfInput, listFolder } from './folder.js';
import { hashInWorkers } from './hash-pool.js';
import { canonicalJson, parseJson } from './json.js';
import { LogClient } from './log-client.js';
import { parseVerifierKey } from './signed-note.js';

const PINNED = 'candor-log-key';
const WORKER = new URL('./hash-worker.js', import.meta.url);

const LABELS = /** @type {Record<string, [string, string]>} */ ({
    holds: ['verified', 'Verified'],
    refuted: ['failed', 'Failed'],
    unknown: ['unknown', 'Could not tell'],
    checking: ['checking', 'Checking'],
});

/** @param {string} name */
const meta = (name) =>
    /** @type {HTMLMetaElement | null} */ (document.querySelector(`meta[name="${name}"]`))?.content ?? '';

/** The key that the reader pinned, if there is one. */
function pinnedKey() {
    try {
        return localStorage.getItem(PINNED);
    } catch {
        // The reader's browser keeps nothing.
        return null;
    }
}

/** A client of the page's log, or what speaks against the page. */
function openLog() {
    const [pinned, named] = [pinnedKey(), meta(PINNED)];
    if (pinned && pinned !== named) {
        const what = 'this log is not signed by the key that you pinned';
        return { refusal: { verdict: 'refuted', what, hint: `pinned: ${pinned}; this page names ${named || 'none'}` } };
    }
    try {
        const url = new URL(meta('candor-log-url') || '/', document.baseURI).href;
        return { client: new LogClient({ url, key: named }) };
    } catch (error) {
        const what = `this page names no key of a log: ${/** @type {Error} */ (error).message}`;
        return { refusal: { verdict: 'unknown', what, hint: "get the key from the log's operator, and pin it" } };
    }
}

/**
 * Writes a verdict where it belongs. Text is text, whoever wrote it.
 * @param {Element} element
 * @param {{ verdict: string, what: string, hint?: string }} verdict
 */
function show(element, verdict) {
    const [name, label] = LABELS[verdict.verdict];
    const words = `${label}: ${verdict.what}${verdict.hint ? ` (${verdict.hint})` : ''}`;
    const isShort = element.closest('[data-candor-short]') && verdict.verdict !== 'refuted';
    element.textContent = isShort ? label : words;
    /** @type {HTMLElement} */ (element).title = isShort ? words : '';
    for (const [other] of Object.values(LABELS)) element.classList.toggle(other, other === name);
    element.dispatchEvent(new CustomEvent('candor-verdict', { bubbles: true, detail: verdict }));
}

/** The place of a verdict inside `element`, which is read out when it changes. @param {Element} element */
function placeIn(element) {
    const place = element.querySelector('[data-verdict]') ?? element.appendChild(document.createElement('p'));
    if (!document.querySelector('[data-candor-summary]')) readOut(place);
    return place;
}

/** @param {Element} place */
function readOut(place) {
    place.setAttribute('role', 'status');
    place.setAttribute('aria-live', 'polite');
}

/** Verifies each record that the page shows. */
async function verifyRecords() {
    const { client, refusal } = openLog();
    const elements = [...document.querySelectorAll('[data-candor-record]')].map(
        (it) => /** @type {HTMLElement} */ (it),
    );
    const counts = { holds: 0, refuted: 0, unknown: 0 };
    for (const element of elements) {
        const { candorRecord = '', leafHash, statement, withdrawn } = element.dataset;
        const place = placeIn(element);
        show(place, { verdict: 'checking', what: `entry ${candorRecord}` });
        let verdict = refusal;
        if (client && /^\d{1,20}$/.test(candorRecord))
            verdict = await client.verifyRecord(BigInt(candorRecord), {
                leafHash,
                statement,
                withdrawn: withdrawn !== undefined,
            });
        if (client && verdict?.verdict === 'holds') verdict = await holdWords(client, element, verdict);
        verdict ??= { verdict: 'unknown', what: 'this page does not say which entry it shows', hint: '' };
        counts[/** @type {'holds'} */ (verdict.verdict)]++;
        show(place, verdict);
    }
    const summary = document.querySelector('[data-candor-summary]');
    if (!summary) return;
    readOut(summary);
    const verdict = counts.refuted ? 'refuted' : counts.unknown || !elements.length ? 'unknown' : 'holds';
    const what = `${counts.holds} of ${elements.length} records on this page are in the log and signed; ${counts.refuted} failed, ${counts.unknown} could not be checked`;
    show(summary, refusal ?? { verdict, what });
}

/**
 * Holds what the page says beside a mark against the record.
 * @param {LogClient} client @param {HTMLElement} element @param {any} found what speaks for the record
 * @returns {Promise<any>} that, or what speaks against the page
 */
async function holdWords(client, element, found) {
    const entry = await client.entry(BigInt(found.index));
    const canonical = (/** @type {Uint8Array} */ bytes) => canonicalJson(parseJson(bytes));
    const says = /** @type {Record<string, string | null>} */ ({
        kind: found.kind,
        subject: found.subject.name,
        publisher: found.publisher,
        digest: found.statement,
        statement: canonical(parseEnvelope(entry).payload),
        entry: fromUtf8(entry),
    });
    for (const it of element.closest('tr, main')?.querySelectorAll('[data-shows]') ?? []) {
        const part = it.getAttribute('data-shows') ?? '';
        let text = it.textContent;
        if (part === 'kind') text = text.toLowerCase().replace(' ', '-');
        try {
            if (part === 'statement') text = canonical(utf8(text));
        } catch {
            // What is no JSON is no statement.
        }
        if (text !== says[part]) {
            return {
                verdict: 'refuted',
                what: `what is shown is not entry ${found.index} of the log: its ${part} is another`,
                hint: "believe the log's record, and not what is shown here",
            };
        }
    }
    return found;
}

/** @param {HTMLElement} element */
function listenForFiles(element) {
    const place = placeIn(element);
    // What was dropped first is not told after what was dropped last.
    let newest = 0;
    const take = async (
        /** @type {Promise<{ isFolder: boolean, found: import('./folder.js').FoundFile[] }>} */ chosen,
    ) => {
        const own = ++newest;
        const tell = (/** @type {any} */ verdict) => own === newest && show(place, verdict);
        tell({ verdict: 'checking', what: 'reading the files' });
        try {
            const verdict = await verifyFiles(element, await chosen, tell);
            if (own !== newest) return;
            show(place, verdict);
            showReleases(element, verdict.releases ?? []);
        } catch (error) {
            tell({ verdict: 'unknown', what: `the files could not be read: ${/** @type {Error} */ (error).message}` });
        }
    };
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
    for (const input of element.querySelectorAll('input')) {
        if (input.type !== 'file') continue;
        // The same files again are no change otherwise, and would not be looked at.
        input.addEventListener('click', () => (input.value = ''));
        input.addEventListener('change', () => input.files?.length && take(Promise.resolve(filesOfInput(input.files))));
    }
}

/**
 * @param {HTMLElement} element
 * @param {{ isFolder: boolean, found: import('./folder.js').FoundFile[] }} chosen
 * @param {(verdict: any) => void} tell
 * @returns {Promise<any>}
 */
async function verifyFiles(element, { isFolder, found }, tell) {
    const { client, refusal } = openLog();
    if (!client) return refusal;
    const { files } = isFolder ? await listFolder(found) : { files: found };
    if (!files.length)
        return { verdict: 'unknown', what: 'there are no files', hint: 'choose a file, or a folder with files in it' };
    const bar = element.querySelector('progress');
    const hashed = await hashInWorkers(files, WORKER, (bytes, total) => {
        if (bar) [bar.max, bar.value] = [total || 1, bytes];
    });
    tell({ verdict: 'checking', what: 'asking the log' });
    const { weights } = element.dataset;
    if (weights !== undefined) return compareWithRelease(client, Number(weights), hashed);
    return isFolder
        ? findFolder(client, hashed)
        : findFile(client, { sha256: hashed[0].digest.sha256, size: hashed[0].size });
}

/** @param {HTMLElement} element @param {any[]} releases */
function showReleases(element, releases) {
    element.querySelector('[data-releases]')?.replaceChildren(
        ...releases.map((verdict) => {
            const item = document.createElement('li');
            show(item, verdict);
            return item;
        }),
    );
}

/** @param {HTMLFormElement} form */
function listenForPin(form) {
    const input = /** @type {HTMLInputElement} */ (form.elements.namedItem('key'));
    const place = placeIn(form);
    input.value = pinnedKey() ?? meta(PINNED);
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        try {
            const key = input.value.trim();
            if (key) localStorage.setItem(PINNED, parseVerifierKey(key).text);
            else localStorage.removeItem(PINNED);
            show(place, { verdict: 'holds', what: key ? 'the key is pinned in this browser' : 'no key is pinned' });
            verifyRecords();
        } catch (error) {
            show(place, { verdict: 'unknown', what: /** @type {Error} */ (error).message });
        }
    });
}

document.querySelectorAll('[data-candor-drop]').forEach((it) => listenForFiles(/** @type {HTMLElement} */ (it)));
document.querySelectorAll('form[data-candor-pin]').forEach((it) => listenForPin(/** @type {HTMLFormElement} */ (it)));
verifyRecords();
