/**
 * Strict JSON in: what every reader understands in the same way, and nothing else. Canonical JSON out (RFC 8785).
 *
 * Refused beyond RFC 8259: keys twice, anything behind the value, nesting over 32, lone surrogates, and numbers that
 * would change their value as IEEE 754 doubles.
 *
 * Objects have no prototype, so that no key means anything. A number is a number; one that is whole and not written
 * as such (`1.0`, `1e3`, `-0`) is a {@link Double}, since fields that hold counts don't take it.
 */

import { fromUtf8 } from './bytes.js';
import { badInput } from './refusal.js';

const DEPTH_MAX = 32;
/** 2^53: the largest whole number that every JSON reader keeps. */
export const WHOLE_MAX = 9007199254740992;
/** The largest number of 64 bits, in which sizes are counted. */
export const U64_MAX = 2n ** 64n - 1n;

/** A whole number with a fraction or an exponent: counted with as any number, and no count. */
export class Double extends Number {}

/** @param {any} value @returns {value is Record<string, any>} */
export const isObject = (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Double);

/**
 * Reads one JSON value, which must be all of `bytes`, and made of at most `valuesMax` values.
 * @param {Uint8Array} bytes @param {number} [valuesMax] @returns {any}
 */
export function parseJson(bytes, valuesMax = Infinity) {
    const text = fromUtf8(bytes);
    if (text === null) throw badInput('the text is not UTF-8');
    return new Reader(text, valuesMax).all();
}

class Reader {
    /** @param {string} text @param {number} valuesMax */
    constructor(text, valuesMax) {
        this.text = text;
        this.at = 0;
        this.left = valuesMax;
    }

    /** @param {string} what @returns {never} */
    fail(what) {
        const before = this.text.slice(0, this.at);
        const line = before.split('\n').length;
        throw badInput(`${what} at line ${line} column ${this.at - before.lastIndexOf('\n')}`);
    }

    all() {
        const value = this.value(0);
        this.space();
        if (this.at < this.text.length) this.fail('trailing characters');
        return value;
    }

    space() {
        while (' \t\n\r'.includes(this.text[this.at] || '.')) this.at++;
    }

    /** The next character behind white space, if it is `wanted`. @param {string} wanted */
    take(wanted) {
        this.space();
        const is = this.text[this.at] === wanted;
        if (is) this.at++;
        return is;
    }

    /** @param {RegExp} pattern */
    match(pattern) {
        pattern.lastIndex = this.at;
        const found = pattern.exec(this.text)?.[0];
        if (found !== undefined) this.at += found.length;
        return found;
    }

    /** @param {number} depth @returns {any} */
    value(depth) {
        if (this.left-- <= 0) this.fail('it has too many values');
        if (this.take('{')) return this.object(depth);
        if (this.take('[')) return this.array(depth);
        if (this.text[this.at] === '"') return this.string();
        const number = this.match(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y);
        if (number !== undefined) return this.number(number);
        const word = this.match(/null|true|false/y);
        if (word === undefined) this.fail('expected value');
        return JSON.parse(word);
    }

    /** @param {number} depth */
    inside(depth) {
        if (depth === DEPTH_MAX) this.fail(`nested more than ${DEPTH_MAX} deep`);
        return depth + 1;
    }

    /** @param {number} depth */
    array(depth) {
        /** @type {any[]} */
        const items = [];
        const inside = this.inside(depth);
        if (this.take(']')) return items;
        do items.push(this.value(inside));
        while (this.take(','));
        if (!this.take(']')) this.fail('expected `,` or `]`');
        return items;
    }

    /** @param {number} depth */
    object(depth) {
        const object = Object.create(null);
        if (this.take('}')) return object;
        do {
            this.space();
            if (this.text[this.at] !== '"') this.fail('key must be a string');
            const key = this.string();
            if (key in object) this.fail(`the key ${JSON.stringify(key)} is there twice`);
            if (!this.take(':')) this.fail('expected `:`');
            object[key] = this.value(this.inside(depth));
        } while (this.take(','));
        if (!this.take('}')) this.fail('expected `,` or `}`');
        return object;
    }

    string() {
        this.at++;
        let text = '';
        for (;;) {
            text += this.match(/[^"\\\0-\x1f]*/y);
            if (this.text[this.at] === '"') {
                this.at++;
                return text;
            }
            const escape = this.match(
                /\\(?:["\\/bfnrt]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})/y,
            );
            if (escape === undefined)
                this.fail('the string ends too early, or has an escape or a character that is none');
            text += JSON.parse(`"${escape}"`);
        }
    }

    /** @param {string} number */
    number(number) {
        const value = Number(number);
        const becomes = String(value);
        // RFC 8785 writes whole numbers up to 1e21 in full; past 2^53 their last digits are invented.
        const isInvented = !/[e.]/.test(becomes) && Math.abs(value) > WHOLE_MAX;
        if (!Number.isFinite(value) || isInvented || significant(number) !== significant(becomes)) {
            this.at -= number.length;
            this.fail(`the number ${number.slice(0, 40)} would not survive: as a double it reads ${becomes}`);
        }
        return Number.isInteger(value) && !/^(?:0|-?[1-9][0-9]*)$/.test(number) ? new Double(value) : value;
    }
}

/**
 * The digits of a number from the first to the last that is not 0, and where its point is.
 * @param {string} number
 */
function significant(number) {
    const [mantissa, exponent = '0'] = number.replace(/^-/, '').toLowerCase().split('e');
    const [whole, fraction = ''] = mantissa.split('.');
    const all = whole + fraction;
    const digits = all.replace(/^0+/, '');
    const point = Number(exponent) + whole.length - (all.length - digits.length);
    const ends = digits.replace(/0+$/, '');
    return ends && `${ends} ${point}`;
}

/**
 * The canonical JSON of a value (RFC 8785).
 * @param {any} value @returns {string}
 */
export function canonicalJson(value) {
    if (value instanceof Double) return String(value);
    if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
    if (!isObject(value)) return JSON.stringify(value);
    // Section 3.2.3: by UTF-16 code units, which is how texts are sorted here.
    const members = Object.keys(value).sort();
    return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(',')}}`;
}
