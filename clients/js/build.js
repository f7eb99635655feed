/**
 * Makes from the modules in `src` what a page loads: one file each for what is named below, without comments.
 *
 *     src/page.js        ──► dist/page.js
 *     src/hash-worker.js ──► dist/hash-worker.js
 *     src/index.js       ──► dist/candor.js
 *
 * One file of twenty modules is a third smaller under gzip than twenty files, and one question to the server. What it
 * does not do is rename or rewrite: who reads the files in `dist` reads the code of `src`, without what nothing in the file
 * uses. They are in the tree, and a test makes them again and compares.
 *
 * The modules keep to what this understands: imports from `./`, each name once among all modules, no default exports.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const HEAD =
    '// Candor (Apache-2.0). Made by clients/js/build.js from the modules in clients/js/src, where the comments are.\n';

const IMPORT = /^import \{([^}]*)\} from '(\.\/[^']+)';\n/gm;
const REEXPORT = /^export \{([^}]*)\} from '(\.\/[^']+)';\n/gm;

/** The text of a bundle. @param {string} entry */
export function bundle(entry) {
    /** @type {Map<string, string>} */
    const modules = new Map();
    collect(resolve(HERE, 'src', entry), modules, new Set());
    /** @type {Map<string, string>} */
    const owners = new Map();
    const bodies = [...modules].map(([path, text]) => {
        for (const [, name] of text.matchAll(/^(?:export )?(?:async )?(?:function|class|const|let) ([\w$]+)/gm)) {
            if (owners.has(name))
                throw new Error(`${name} is in ${owners.get(name)} and in ${path}: rename one of them`);
            if (name in globalThis) throw new Error(`${name} in ${path} is the name of something that engines have`);
            owners.set(name, path);
        }
        for (const [, names] of text.matchAll(/^(?:const|let) \[([^\]]*)\]/gm))
            names.split(', ').forEach((name) => owners.set(name, path));
        return text
            .replace(IMPORT, '')
            .replace(REEXPORT, '')
            .replace(/^export (?=async |function|class|const|let)/gm, '');
    });
    const exported = [...readFileSync(resolve(HERE, 'src', entry), 'utf8').matchAll(REEXPORT)].flatMap(([, names]) =>
        names.trim().split(/,\s*/),
    );
    const missing = exported.filter((name) => !owners.has(name));
    if (missing.length) throw new Error(`${entry} exports ${missing}, which no module has`);
    const exports = exported.length ? `export { ${exported.sort().join(', ')} };\n` : '';
    return HEAD + withoutIndents(onlyUsed(withoutComments(bodies.join('')), exports)) + exports;
}

/**
 * What is run when the file is loaded, with what it names, and what that names. A name in a text counts too: it is better to
 * keep what nobody uses than to lose what somebody does.
 * @param {string} code @param {string} exports
 */
export function onlyUsed(code, exports) {
    // Whatever begins in a line's first column, and closes nothing, begins a declaration or a statement.
    const parts = code.split(/^(?=[^\s)}\]])/m);
    /** @type {Map<string, number>} */
    const declares = new Map();
    const isKept = parts.map((part, n) => {
        const names = /^(?:async )?(?:function|class|const|let) (?:([\w$]+)|\[([^\]]*)\])/.exec(part);
        for (const name of names ? (names[1] ?? names[2]).split(', ') : []) declares.set(name, n);
        return !names;
    });
    const open = [exports, ...parts.filter((_, n) => isKept[n])];
    for (let text = open.pop(); text !== undefined; text = open.pop()) {
        for (const [name] of text.matchAll(/[\w$]+/g)) {
            const n = declares.get(name);
            if (n === undefined || isKept[n]) continue;
            isKept[n] = true;
            open.push(parts[n]);
        }
    }
    return parts.filter((_, n) => isKept[n]).join('');
}

/**
 * Modules in the order in which they are needed.
 * @param {string} path
 * @param {Map<string, string>} modules
 * @param {Set<string>} open
 */
function collect(path, modules, open) {
    if (modules.has(path)) return;
    if (open.has(path)) throw new Error(`${path} imports itself`);
    open.add(path);
    const text = readFileSync(path, 'utf8');
    for (const pattern of [IMPORT, REEXPORT]) {
        for (const [, , from] of text.matchAll(pattern)) collect(join(dirname(path), from), modules, open);
    }
    const left = text.replace(IMPORT, '').replace(REEXPORT, '');
    if (/^(?:import|export \*|export default|export \{)/m.test(left))
        throw new Error(`${path} imports or exports in a way that is not understood`);
    open.delete(path);
    modules.set(path, text);
}

/**
 * The code without comments. No text of the modules goes over a line's end, so that only what is inside quotes has to be
 * left alone.
 * @param {string} code
 */
export function withoutComments(code) {
    // In this order: comments, texts, templates, regular expressions (behind what can't end a value), anything else.
    const token =
        /\/\*[^]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|(?<=(?:[=(,:;!&|?{}[\n>]|return)\s*)\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*|[^]/g;
    return code.replace(token, (it) => {
        // Types stand right before values in templates too.
        if (it.startsWith('`')) return it.replace(/\$\{\/\*\*[^*]*\*\/ /g, '${');
        return it.startsWith('/*') || it.startsWith('//') ? '' : it;
    });
}

/** The code without indentation and empty lines. @param {string} code */
export const withoutIndents = (code) =>
    code
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '')
        .map((line) => `${line}\n`)
        .join('');

/** What is made of what. */
export const BUNDLES = { 'page.js': 'page.js', 'hash-worker.js': 'hash-worker.js', 'candor.js': 'index.js' };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    for (const [name, entry] of Object.entries(BUNDLES)) writeFileSync(join(HERE, 'dist', name), bundle(entry));
}
