/**
 * Text that somebody else wrote, with escapes in the place of characters that are not seen, or reorder others: where it is
 * shown, it must not look like something else.
 */
export const plain = (/** @type {string} */ text) =>
    text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (it) => `\\u{${/** @type {number} */ (it.codePointAt(0)).toString(16)}}`);

/**
 * Why something is not believed: what is wrong, and what the reader can do next.
 *
 * `refuted`: it was shown to be wrong. `bad-input`: it is not even of the form that was asked for.
 * `unknown`: there is no telling, since something is missing or out of reach.
 *
 * @typedef {'refuted' | 'bad-input' | 'unknown'} Reason
 */
export class Refusal extends Error {
    /** @param {Reason} verdict @param {string} what @param {string} [hint] @param {object} [more] */
    constructor(verdict, what, hint = '', more = {}) {
        super(plain(what));
        this.name = 'Refusal';
        this.verdict = verdict;
        this.hint = plain(hint);
        Object.assign(this, more);
    }

    /** The same, told from further outside. */
    within(/** @type {string} */ where) {
        return Object.assign(new Refusal(this.verdict, `${where}${this.message}`, this.hint), { ...this });
    }
}

export const refuted = (/** @type {string} */ what, hint = '', more = {}) => new Refusal('refuted', what, hint, more);
export const badInput = (/** @type {string} */ what, hint = '') => new Refusal('bad-input', what, hint);
export const unknown = (/** @type {string} */ what, hint = '', more = {}) => new Refusal('unknown', what, hint, more);

/**
 * The verdict that something thrown comes to: the one place where a refusal becomes one. Whatever else went wrong shows nothing.
 * @param {any} error @returns {any}
 */
export function verdictOf(error) {
    const { verdict, message, hint, name, ...more } =
        error instanceof Refusal ? error : unknown(`there is no telling: ${error}`);
    return { verdict: verdict === 'refuted' ? verdict : 'unknown', what: message, detail: message, hint, ...more };
}

/** At most `max` characters of what somebody else wrote. */
export const shortened = (/** @type {string} */ text, max = 80) =>
    JSON.stringify([...text.slice(0, 2 * max)].slice(0, max).join(''));
