import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { gzipSync } from 'node:zlib';

import { bundle, BUNDLES, onlyUsed, withoutComments, withoutIndents } from '../build.js';

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const GZIP_BYTES_MAX = 30 * 1024;

test('what pages load is made of the modules as they are', () => {
    for (const [name, entry] of Object.entries(BUNDLES))
        assert.equal(read(`dist/${name}`), bundle(entry), `dist/${name}: run \`npm run build\``);
});

test('all that a page loads has less than 30 KiB under gzip', () => {
    const size = (...names) =>
        names.reduce((sum, name) => sum + gzipSync(read(`dist/${name}`), { level: 9 }).length, 0);
    assert.ok(
        size('page.js', 'hash-worker.js') < GZIP_BYTES_MAX,
        `page.js and hash-worker.js: ${size('page.js', 'hash-worker.js')}`,
    );
    assert.ok(size('candor.js') < GZIP_BYTES_MAX, `candor.js: ${size('candor.js')}`);
});

test('comments go, and nothing that looks like one', () => {
    const code =
        "const a = '// no'; // yes\n/* yes */ const b = `/* no */ ${/** @type {any} */ (a)}`;\n  const c = /\\/\\/[/]*'/g; // 'yes'\nconst d = 4 / 2 / 1;\n\n/** yes */\nreturn /x\\//.test(\"/* no */\");\n";
    assert.equal(
        withoutIndents(withoutComments(code)),
        "const a = '// no';\nconst b = `/* no */ ${(a)}`;\nconst c = /\\/\\/[/]*'/g;\nconst d = 4 / 2 / 1;\nreturn /x\\//.test(\"/* no */\");\n",
    );
});

test('what nothing uses is left out, and what anything names stays', () => {
    const code =
        "const [a, b] = [1, 2];\nfunction unused() {\n    return used;\n}\nasync function used() {\n    return b;\n}\nclass Text {\n}\nconst alone = () => unused();\nlet out = 1;\nrun('Text', () => {\n    used();\n});\n";
    const gone = ['unused', 'alone'];
    const kept = onlyUsed(code, 'export { out };');
    for (const name of gone) assert.doesNotMatch(kept, new RegExp(name));
    assert.equal(kept, code.replace(/^function unused[^]*?^}\n/m, '').replace(/^const alone.*\n/m, ''));
});

test('browser modules know nothing of Node, and import by paths that work under any prefix', () => {
    const modules = readdirSync(new URL('../src/', import.meta.url));
    const nodeOnly = ['node.js', 'memory-file.js'];
    for (const name of modules) {
        for (const [, from] of read(`src/${name}`).matchAll(/\bfrom '([^']+)'/g)) {
            if (nodeOnly.includes(name)) assert.match(from, /^(node:|\.\/)/);
            else {
                assert.match(from, /^\.\/[\w-]+\.js$/, name);
                assert.ok(!nodeOnly.includes(from.slice(2)), `${name} imports ${from}`);
            }
        }
    }
});

test("a page's scripts make no HTML of text, and run no text", () => {
    for (const name of Object.keys(BUNDLES)) {
        assert.doesNotMatch(
            read(`dist/${name}`),
            /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setTimeout\(['"`]/,
        );
    }
});

test('the types name what there is', async () => {
    const declared = (name) =>
        [...read(`types/${name}.d.ts`).matchAll(/^export (?:declare )?(?:async )?(?:function|class|const) (\w+)/gm)]
            .map(([, it]) => it)
            .sort();
    assert.deepEqual(declared('index'), Object.keys(await import('../src/index.js')).sort());
    const own = Object.keys(await import('../src/node.js')).filter((it) => !declared('index').includes(it));
    assert.deepEqual(declared('node'), own);
});

test('the package has what it takes and nothing else', () => {
    const { exports, files, license, dependencies } = JSON.parse(read('package.json'));
    assert.deepEqual([files, license, dependencies], [['src', 'dist', 'types', 'LICENSE'], 'Apache-2.0', undefined]);
    for (const target of Object.values(exports).flatMap((it) => (typeof it === 'string' ? [it] : Object.values(it)))) {
        if (!target.includes('*')) assert.ok(read(target.slice(2)).length > 0, target);
    }
    assert.equal(read('LICENSE'), readFileSync(new URL('../../../LICENSE', import.meta.url), 'utf8'));
});
