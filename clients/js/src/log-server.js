/**
 * Asks one log, and nobody else: what comes back is bytes that nothing vouches for, or a refusal that says why there are
 * none.
 *
 * Every answer has a size limit. What can't be had is `unknown`: it accuses nobody.
 */

import { concat, fromUtf8, hex } from './bytes.js';
import { unknown } from './refusal.js';
import { sha256 } from './sha256.js';

const VIEW_BYTES_MAX = 32 << 20;
const PROBLEM_BYTES_MAX = 64 << 10;
const ITEMS_MAX = 20000;
const PAGES_MAX = 400;
const NEXT_MAX = 2000;
/** How much of what a log says in its own words is passed on. */
const SAID_MAX = 300;
const RETRIES_MAX = 3;
const RETRY_SECONDS_MAX = 15;
const ANSWERS_KEPT_MAX = 4096;

/** Whether it is the place of an entry. @param {any} index */
export const isIndex = (index) => Number.isSafeInteger(index) && index >= 0;

export class LogServer {
    /** @param {string} url @param {typeof fetch} fetch */
    constructor(url, fetch) {
        this.url = url.replace(/\/+$/, '');
        this.fetch = (/** @type {[any, any]} */ ...request) => fetch(...request);
    }

    /**
     * A view of the log's API, which is an index to look things up with: nothing in it is proven.
     * @param {string} path
     * @returns {Promise<any>}
     */
    async view(path) {
        const view = parseView(await this.ask(path, VIEW_BYTES_MAX));
        if (!view) throw this.unreadable(path, 'it is no JSON object');
        return view;
    }

    /**
     * A list of the log's API, with all its pages.
     * @param {string} path
     * @param {string} field
     * @returns {Promise<any[]>}
     */
    async list(path, field) {
        /** @type {any[]} */
        let items = [];
        let next = path;
        for (let pages = 0; next; pages++) {
            const { [field]: found, next: after } = await this.view(next);
            if (!Array.isArray(found)) throw this.unreadable(next, `it has no ${field}`);
            items = items.concat(found);
            if (items.length > ITEMS_MAX || (after && (!found.length || pages === PAGES_MAX)))
                throw this.unreadable(path, 'its list does not end');
            if (after && !(/^\/api\/v1\/[\x21-\x7e]*$/.test(after) && after.length <= NEXT_MAX))
                throw this.unreadable(next, "it names a next page that is none of the API's");
            next = after?.slice(1);
        }
        return items;
    }

    /**
     * A document, whose bytes are what the digest says.
     * @param {string} digest
     * @param {number} bytesMax
     * @param {RequestCache} [cache]
     * @returns {Promise<Uint8Array>}
     */
    async attachment(digest, bytesMax, cache) {
        const bytes = await this.ask(`api/v1/attachments/${digest}`, bytesMax, cache);
        const found = hex(sha256(bytes));
        if (found === digest) return bytes;
        // What was damaged once would stay in the browser's cache, which keeps attachments for good.
        if (!cache) return this.attachment(digest, bytesMax, 'reload');
        throw unknown(`the log serves attachment ${digest} with bytes whose digest is ${found}`, 'tell its operator');
    }

    /**
     * The indexes in a list, in order and each once; none of what the log says that it does not have.
     * @param {string} path
     * @param {string} field
     * @param {(item: any) => any} indexOf
     * @returns {Promise<bigint[]>}
     */
    async indexes(path, field, indexOf) {
        const items = await this.list(path, field).catch((error) => {
            if (error.isAbsence) return [];
            throw error;
        });
        const indexes = items.map(indexOf);
        if (!indexes.every(isIndex)) throw this.unreadable(path, `its ${field} are no indexes`);
        return [...new Set(indexes)].sort((a, b) => a - b).map(BigInt);
    }

    /** @param {string} path @param {string} reason */
    unreadable(path, reason) {
        return unknown(
            `the answer from ${this.url}/${path} can't be read: ${reason}`,
            "check that the address is a Candor log's",
        );
    }

    /**
     * Asks, and asks again while the log says to be overloaded.
     * @param {string} path
     * @param {number} bytesMax
     * @param {RequestCache} [cache]
     */
    async ask(path, bytesMax, cache = 'default') {
        const url = `${this.url}/${path}`;
        for (let tries = 0; ; tries++) {
            let answer;
            try {
                // Nobody but this log is asked, and nobody learns who asks.
                answer = await this.fetch(url, {
                    cache,
                    credentials: 'omit',
                    redirect: 'error',
                    referrerPolicy: 'no-referrer',
                });
                if (answer.status === 200) return await readBody(answer, bytesMax);
            } catch (error) {
                throw unknown(
                    `${url} can't be had: ${/** @type {Error} */ (error).message}`,
                    'check the network and the address, and try again',
                );
            }
            const wait = Number(answer.headers.get('retry-after'));
            if (answer.status === 503 && wait > 0 && tries < RETRIES_MAX) {
                await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(wait, RETRY_SECONDS_MAX)));
                continue;
            }
            const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json');
            const problem = isProblem ? await readBody(answer, PROBLEM_BYTES_MAX).then(parseView, () => null) : null;
            const isAbsence = answer.status === 404 && problem?.type === 'urn:candor:problem:not-found';
            const said =
                typeof problem?.detail === 'string' ? `: the log says: ${problem.detail.slice(0, SAID_MAX)}` : '';
            throw unknown(
                `${url} answers with status ${answer.status}${said}`,
                "try again later, or tell the log's operator",
                {
                    isAbsence,
                    // Tiles may be plain files behind any server, which has words of its own for what is not there.
                    isMissing: [403, 404, 410].includes(answer.status),
                },
            );
        }
    }
}

/** All of an answer, if it is not longer than it may be. @param {Response} answer @param {number} bytesMax */
async function readBody(answer, bytesMax) {
    const reader = answer.body?.getReader();
    const parts = [];
    let length = 0;
    for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
        length += part.value.length;
        if (length > bytesMax) {
            await reader?.cancel();
            throw new Error(`it has more than ${bytesMax} bytes`);
        }
        parts.push(part.value);
    }
    return concat(...parts);
}

/** A JSON object; null if it is none. @param {Uint8Array} bytes @returns {any} */
function parseView(bytes) {
    try {
        const view = JSON.parse(fromUtf8(bytes) ?? '');
        return typeof view === 'object' ? view : null;
    } catch {
        return null;
    }
}

/** What was found out, by its name, so that it is asked for once. */
export class Answers {
    /** @type {Map<string, Promise<any>>} */
    #kept = new Map();

    /** @template T @param {string} name @param {() => Promise<T>} make @returns {Promise<T>} */
    once(name, make) {
        let found = this.#kept.get(name);
        if (!found) {
            if (this.#kept.size >= ANSWERS_KEPT_MAX) this.forget();
            const making = make().catch((error) => {
                if (this.#kept.get(name) === making) this.#kept.delete(name);
                throw error;
            });
            this.#kept.set(name, (found = making));
        }
        return found;
    }

    forget() {
        this.#kept.clear();
    }
}
