import type { Memory, State } from './index.js';

export * from './index.js';

/** In a folder, for all programs that use it. */
export class FileMemory implements Memory {
    constructor(folder: string);
    get(origin: string): Promise<State | null>;
    replace(origin: string, before: State | null, after: State): Promise<boolean>;
}
