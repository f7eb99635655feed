/**
 * Which releases some files are: what the log lists is looked up by digest, and proven.
 *
 * Always: who came first decides. Whoever has files can release them under a name of their own; so what others did later
 * neither speaks for files that the first publisher withdrew, nor against those that it stands by.
 */

import { isIndex } from './log-server.js';
import { checkStated, compareFolder, manifestOf, parseManifest } from './manifest.js';
import { refuted, Refusal, shortened, unknown, verdictOf } from './refusal.js';

const MANIFEST_BYTES_MAX = 32 << 20;
/** How many releases are looked at. The first is what counts, and comes first. */
const LOOKED_AT_MAX = 16;

/** @typedef {import('./log-client.js').LogClient} LogClient */

/**
 * The releases that have a file with this SHA-256.
 * @param {LogClient} client @param {{ sha256: string, size?: number }} file
 */
export const findFile = (client, { sha256, size }) =>
    find(client, `api/v1/files/${sha256}`, 'releases', `a file with the SHA-256 ${sha256}`, async (listed) => {
        const { found, manifest } = await weightsAt(client, listed.index);
        const file = manifest.files.find(({ path }) => path === listed.path);
        if (
            found.subject.name !== listed.release ||
            file?.digest.sha256 !== sha256 ||
            (size !== undefined && file.size !== undefined && file.size !== size)
        ) {
            const named = [listed.path, listed.release].map((it) => String(it).slice(0, 300)).join(' of ');
            throw refuted(`the log names ${named}, entry ${listed.index}, as that file, and it is another`);
        }
        return {
            ...found,
            what: `it is ${listed.path} of ${found.subject.name}, which ${found.publisher} signed (entry ${listed.index})`,
            path: listed.path,
        };
    });

/**
 * The releases that are exactly these files.
 * @param {LogClient} client @param {import('./manifest.js').ManifestFile[]} files
 */
export function findFolder(client, files) {
    const { sha256 } = manifestOf(files);
    return find(
        client,
        `api/v1/manifests/${sha256}`,
        'records',
        `exactly these ${files.length} files`,
        async ({ index }) => {
            const found = await recordAt(client, index);
            if (found.kind !== 'weights' || found.subject.sha256 !== sha256) {
                throw refuted(`the log names entry ${index} as a release of these files, and it is none`);
            }
            return {
                ...found,
                what: `they are ${found.subject.name}, which ${found.publisher} signed (entry ${index})`,
            };
        },
    );
}

/**
 * Holds a folder against the release whose weights record is at `index`.
 * @param {LogClient} client @param {number} index @param {import('./manifest.js').ManifestFile[]} files
 * @param {boolean} isPart whether they are some files of it, and what is missing is of no account
 */
export function compareWithRelease(client, index, files, isPart = false) {
    return attempt(async () => {
        const { found, manifest } = await weightsAt(client, index);
        const { same, weak, notCompared, changed, missing, extra } = compareFolder(manifest, files);
        const name = found.subject.name;
        // Whoever holds one file against a release has not said that it is all of it.
        const differs = Object.entries({ changed, missing: isPart ? [] : missing, 'not listed': extra }).flatMap(([how, paths]) =>
            paths.map((path) => `${how}: ${path}`),
        );
        if (differs.length) {
            throw refuted(
                `these are not the files of ${name}, by ${differs.length}: ${differs.slice(0, 5).join(', ')}`,
                "don't use them",
                { differs },
            );
        }
        if (weak.length || notCompared.length) {
            throw unknown(
                `${same} files are as ${name} lists them, and of ${weak.length + notCompared.length} it has no strong digest`,
                'ask the publisher for SHA-256 digests',
            );
        }
        return {
            ...found,
            what: `${same} of its ${same + missing.length} files are as ${name} lists them, which ${found.publisher} signed (entry ${index})`,
        };
    });
}

/**
 * @param {LogClient} client
 * @param {string} path
 * @param {string} field
 * @param {string} what
 * @param {(listed: any) => Promise<any>} prove
 * @returns {Promise<any>}
 */
function find(client, path, field, what, prove) {
    return attempt(async () => {
        // The signed checkpoint shows that what answers is the log, before its word is taken for anything.
        await client.checkpoint();
        const { [field]: listed } = await client.view(path);
        if (!Array.isArray(listed) || !listed.every((it) => isIndex(it?.index)))
            throw unknown(`the log's list of releases with ${what} can't be read`, 'tell its operator');
        if (!listed.length)
            throw unknown(
                `the log lists no release with ${what}, which nobody can prove`,
                'check that you have all of it, and nothing else',
            );
        // A release that lists a file under many names is one release all the same.
        const first = listed
            .sort((a, b) => a.index - b.index)
            .filter((it, n, all) => !n || it.index !== all[n - 1].index)
            .slice(0, LOOKED_AT_MAX);
        const releases = [];
        for (const it of first) releases.push(await attempt(() => prove(it)));
        return judgeFound(releases, listed.length - first.length);
    });
}

/**
 * @param {any[]} releases in the log's order, each a verdict
 * @param {number} more how many were not looked at
 */
function judgeFound(releases, more) {
    const own = releases.filter(({ publisher }) => publisher === releases[0].publisher);
    const holding = own.find(({ verdict }) => verdict === 'holds');
    if (holding) return { ...holding, releases, more };
    const other = releases.find(({ verdict }) => verdict === 'holds');
    if (!other) return { ...releases[0], releases, more };
    return {
        ...other,
        verdict: 'unknown',
        what: `${releases[0].what}; it stands as ${other.subject.name}, which ${other.publisher} signed later`,
        hint: 'whoever has files can release them under a name of their own: ask the one who came first',
        releases,
        more,
    };
}

/** @param {LogClient} client @param {any} index as a log's list or a page names it */
async function recordAt(client, index) {
    if (!isIndex(index)) throw unknown(`${shortened(String(index))} is no entry's index`);
    const found = await client.verifyRecord(index);
    const { verdict, what, hint, subject, publisher } = found;
    if (verdict !== 'holds') {
        const name = subject ? `${subject.name} (entry ${index}): ` : '';
        throw new Refusal(verdict, name + what, hint, { index, subject, publisher });
    }
    return found;
}

/**
 * A weights record and its manifest, hashed and held against the record.
 * @param {LogClient} client
 * @param {any} index
 */
async function weightsAt(client, index) {
    const found = await recordAt(client, index);
    if (found.kind !== 'weights') throw refuted(`entry ${index} is a ${found.kind} record, and says nothing of files`);
    const manifest = parseManifest(await client.attachment(found.predicate.manifest.digest.sha256, MANIFEST_BYTES_MAX));
    checkStated(manifest, found.predicate);
    return { found, manifest };
}

/** @param {() => Promise<any>} check an async function @returns {Promise<any>} */
const attempt = (check) => check().catch(verdictOf);
