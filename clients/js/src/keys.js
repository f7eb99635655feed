/**
 * The keys that the reader's browser knows, in `localStorage`, which all pages of one web origin share.
 *
 *     candor-log-key          the one that the reader pinned: no other is believed
 *     candor-log-keys         [[URL, key], …]: those under which logs were verified here
 *
 * Always: a site that showed a log shows none with another key, at whatever address, until the reader pins that. What was
 * seen of a log is remembered by the log's name, so that one that comes under a new name would have no past.
 */

/** The name of what is pinned, and of what a page says. */
export const LOG_KEY = 'candor-log-key';

const KNOWN = 'candor-log-keys';
/** A site that names ever new addresses fills no storage. */
const KNOWN_MAX = 32;
const NO_STORAGE = 'whether you pinned a key, and which this log had before: this browser keeps nothing';
const BROKEN = "which key this log had before: what this browser kept of that can't be read";

/** What can't be read is as good as nothing, or no key would be kept ever again. @returns {Map<string, string> | undefined} */
function knownKeys() {
    const kept = localStorage.getItem(KNOWN) ?? '[]';
    try {
        return new Map(JSON.parse(kept));
    } catch {
        return undefined;
    }
}

/** An address as it is kept. @param {string} url */
const addressOf = (url) => url.replace(/\/+$/, '');

/** The key that the reader pinned, if there is one. */
export const pinnedKey = () => localStorage.getItem(LOG_KEY);

/** Pins a key, or takes the pin away. @param {string} key */
export function pinKey(key) {
    if (key) localStorage.setItem(LOG_KEY, key);
    else localStorage.removeItem(LOG_KEY);
}

/**
 * What speaks against a key that a page names for the log at `url`, and what can't be told.
 * @param {string} url @param {string} named
 * @returns {{ refusal?: { verdict: string, what: string, hint: string }, notChecked?: string[] }}
 */
export function judgeKey(url, named) {
    const refuse = (/** @type {string} */ what, /** @type {string} */ hint) => ({
        refusal: { verdict: 'refuted', what, hint: `${hint}; this page names ${named || 'none'}` },
    });
    try {
        const [pinned, known] = [pinnedKey(), knownKeys()];
        if (pinned)
            return pinned === named
                ? {}
                : refuse('this log is not signed by the key that you pinned', `pinned: ${pinned}`);
        if (!known) return { notChecked: [BROKEN] };
        const own = known.get(addressOf(url));
        const expected = own ? [own] : [...known.values()];
        if (expected.length && !expected.includes(named))
            return refuse(
                'the log of this site had another key before, and what was seen of that says nothing of this one',
                `pin the new key only if its operator confirms it: it was ${expected[0]}`,
            );
        return {};
    } catch {
        return { notChecked: [NO_STORAGE] };
    }
}

/** Remembers the key of a log whose checkpoint it signed. @param {string} url @param {string} key */
export function keepKey(url, key) {
    try {
        const [known, address] = [knownKeys() ?? new Map(), addressOf(url)];
        if (known.size >= KNOWN_MAX && !known.has(address)) return;
        localStorage.setItem(KNOWN, JSON.stringify([...known.set(address, key)]));
    } catch {
        // A browser that keeps nothing was told of by `judgeKey`. One that is full still has what was kept before.
    }
}
