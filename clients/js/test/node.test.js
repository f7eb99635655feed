import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { key, publisher, signed, TestLog } from './support.js';

/** Judges a bundle that comes by standard input, in a Node that has WebCrypto under no global name, as Node 18 has it. */
const JUDGE = `
delete globalThis.crypto;
const { FileMemory, judgeBundle } = await import(process.argv[1]);
let text = '';
for await (const part of process.stdin.setEncoding('utf8')) text += part;
const { bundle, key } = JSON.parse(text);
const { verdict, what } = await judgeBundle(new TextEncoder().encode(JSON.stringify(bundle)), key);
console.log(typeof FileMemory, verdict, what);
`;

test('signatures are checked in a Node whose WebCrypto is not global', () => {
    const log = new TestLog();
    const [lab] = [key(1)];
    const files = [{ path: 'a', size: 1, digest: { sha256: '0'.repeat(64) } }];
    const indexes = [
        log.append(signed(publisher('example-lab', [lab]), lab)),
        log.release('example-lab/a@1', files, lab),
    ];
    const input = JSON.stringify({ bundle: log.bundle(indexes, { release: 'example-lab/a@1' }), key: log.key });
    const module = new URL('../src/node.js', import.meta.url).href;
    const node = process.env.CANDOR_NODE ?? process.execPath;
    const { stdout, stderr } = spawnSync(node, ['--input-type=module', '-e', JUDGE, module], {
        input,
        encoding: 'utf8',
    });
    assert.match(stdout, /^function holds 1 record of example-lab\/a@1 in the log/, stderr);
});
