/** What Node has besides: a memory in files. */

export * from './index.js';
export { FileMemory } from './memory-file.js';
