/**
 * Names of publishers and releases, paths inside releases, and text that people compare by eye.
 */

import { utf8 } from './bytes.js';

const PATH_BYTES_MAX = 4096;

// All are lower-case ASCII, so that no two look alike.
const PUBLISHER = '[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?';
const RELEASE = new RegExp(
    `^(${PUBLISHER})/[a-z0-9](?:[a-z0-9._-]{0,94}[a-z0-9])?@[a-z0-9](?:[a-z0-9._+-]{0,62}[a-z0-9])?$`,
);
const PUBLISHER_ALONE = new RegExp(`^${PUBLISHER}$`);

/** `meta-ai`. @param {any} text */
export const isPublisherName = (text) => typeof text === 'string' && PUBLISHER_ALONE.test(text);

/** `meta-ai/opt-125m@1.0.0`. @param {any} text */
export const isReleaseName = (text) => typeof text === 'string' && RELEASE.test(text);

/** Whose release it is. @param {string} release */
export const publisherOf = (release) => RELEASE.exec(release)?.[1] ?? '';

// Format characters (Unicode category Cf and line separators) that leave no mark of their own.
const INVISIBLE =
    /[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/u;

/**
 * Whether text has no characters that hide, reorder or imitate, and is in normalization form C.
 * @param {string} text
 */
export const isPlainText = (text) =>
    !/[\0-\x1f\x7f-\x9f]/.test(text) && !INVISIBLE.test(text) && text.normalize('NFC') === text;

/**
 * Whether text is the path of a file in a release: relative, with `/` between its parts, never leading out.
 * @param {any} path
 */
export const isFilePath = (path) =>
    typeof path === 'string' &&
    path !== '' &&
    utf8(path).length <= PATH_BYTES_MAX &&
    isPlainText(path) &&
    // `C:` at the beginning is a drive on Windows.
    !/\\|^[\0-\x7f]:/.test(path) &&
    path.split('/').every((part) => !['', '.', '..'].includes(part));
