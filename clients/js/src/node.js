/** What Node has besides: a memory in files. With it, the module works in Node 18 too. */

import { webcrypto } from 'node:crypto';

export * from './index.js';
export { FileMemory } from './memory-file.js';

// Node 18 has it under this name alone.
if (!globalThis.crypto) Object.assign(globalThis, { crypto: webcrypto });
