/**
 * Judges bundles, and prints one JSON object for each: `node judge.js KEYS FILE…`. KEYS is a JSON file with the key of
 * each log by the names of the bundles, and one under `""` for all others.
 */

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a bundle comes to, in the words that are compared with those of `candor verify`. */
export async function judge({ judgeBundle, parseBundle, parseVerifierKey, verifyBundle }, name, bytes, key) {
    const { verdict, what, detail } = await judgeBundle(bytes, key);
    // Whether its records hold, whatever they say of each other.
    let records = null;
    try {
        await verifyBundle(parseBundle(bytes), parseVerifierKey(key));
    } catch (error) {
        records = error.message;
    }
    return { name, verdict, what, detail, records };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [keysFile, ...files] = process.argv.slice(2);
    const keys = JSON.parse(readFileSync(keysFile, 'utf8'));
    const module = await import(process.env.CANDOR_JS ?? '../src/index.js');
    const list =
        files.length === 1 && files[0].endsWith('.list') ? readFileSync(files[0], 'utf8').trim().split('\n') : files;
    for (const file of list) {
        const name = basename(file);
        console.log(
            JSON.stringify(await judge(module, name, new Uint8Array(readFileSync(file)), keys[name] ?? keys[''])),
        );
    }
}
