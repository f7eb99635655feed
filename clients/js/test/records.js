/** Verifies the records of a running log: `node records.js URL KEY MEMORY INDEX…` prints one JSON object for each. */

import { FileMemory, LogClient } from '../src/node.js';

const [url, key, memory, ...indexes] = process.argv.slice(2);
for (const index of indexes) {
    // As a program that is started anew.
    const client = new LogClient({ url, key, memory: new FileMemory(memory) });
    const { verdict, what, hint, notChecked, evidence } = await client.verifyRecord(BigInt(index));
    console.log(JSON.stringify({ name: index, verdict, what, detail: what, hint, notChecked, evidence }));
}
