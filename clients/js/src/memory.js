/**
 * What was seen of each log: its newest checkpoint, and evidence against it. A memory has two methods, and knows nothing
 * of what it keeps:
 *
 *     get(origin) ──► state, or null
 *     replace(origin, before, after) ──► whether `after` is what it keeps now: if `before` still was
 *
 * States are JSON. Two tabs, or two programs, may use one memory at once: `replace` compares and sets in one step. One that
 * can't keep anything for good says in `forgets` why.
 *
 * @typedef {{ checkpoint: string, evidence: import('./evidence.js').Evidence[] }} State
 * @typedef {{
 *   get(origin: string): Promise<State | null>,
 *   replace(origin: string, before: State | null, after: State): Promise<boolean>,
 *   forgets?: string,
 * }} Memory
 */

/** Whether two states are the same. @param {State | null} a @param {State | null} b */
export const isSameState = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** For as long as the program runs. */
export class MemoryOnly {
    #states = new Map();

    /** @param {string} origin */
    async get(origin) {
        return this.#states.get(origin) ?? null;
    }

    /** @param {string} origin @param {State | null} before @param {State} after */
    async replace(origin, before, after) {
        if (!isSameState(this.#states.get(origin) ?? null, before)) return false;
        this.#states.set(origin, structuredClone(after));
        return true;
    }
}

/**
 * In the browser's IndexedDB, for good, and for all tabs of the page's origin. Where a browser gives none, as some do in
 * private windows, it is for as long as the page is open.
 */
export class BrowserMemory {
    /** Why nothing is kept for good. @type {string | undefined} */
    forgets;
    #isThere = false;
    #instead = new MemoryOnly();

    constructor(name = 'candor') {
        this.name = name;
    }

    /** @param {string} origin */
    get(origin) {
        return this.#run('readonly', 'get', [origin], (states, done) => {
            const asked = states.get(origin);
            asked.onsuccess = () => done(asked.result ?? null);
        });
    }

    /** @param {string} origin @param {State | null} before @param {State} after */
    replace(origin, before, after) {
        // No other transaction that writes begins before this one ends.
        return this.#run('readwrite', 'replace', [origin, before, after], (states, done) => {
            const asked = states.get(origin);
            asked.onsuccess = () => {
                const isStill = isSameState(asked.result ?? null, before);
                if (isStill) states.put(after, origin);
                done(isStill);
            };
        });
    }

    /** @returns {Promise<IDBDatabase>} */
    #open() {
        return new Promise((resolve, reject) => {
            const opened = indexedDB.open(this.name, 1);
            opened.onupgradeneeded = () => opened.result.createObjectStore('logs');
            opened.onsuccess = () => resolve(opened.result);
            opened.onerror = () => reject(opened.error);
        });
    }

    /**
     * @param {IDBTransactionMode} mode
     * @param {'get' | 'replace'} name @param {any[]} args what is to be done where there is no database
     * @param {(states: IDBObjectStore, done: (result: any) => void) => void} work
     * @returns {Promise<any>}
     */
    async #run(mode, name, args, work) {
        /** @type {any} */
        const instead = this.#instead;
        if (this.forgets) return instead[name](...args);
        const database = await this.#open().catch((error) => {
            // What was there once is not given up: its past would be lost unnoticed.
            if (this.#isThere) throw error;
            this.forgets = String(error);
        });
        if (!database) return instead[name](...args);
        this.#isThere = true;
        try {
            return await new Promise((resolve, reject) => {
                const transaction = database.transaction('logs', mode, { durability: 'strict' });
                /** @type {any} */
                let result;
                transaction.oncomplete = () => resolve(result);
                transaction.onabort = () => reject(transaction.error);
                work(transaction.objectStore('logs'), (found) => (result = found));
            });
        } finally {
            database.close();
        }
    }
}

/** The one that lasts longest here. @returns {Memory} */
export const defaultMemory = () => (typeof indexedDB === 'undefined' ? new MemoryOnly() : new BrowserMemory());
