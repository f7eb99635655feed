/** The JavaScript client of Candor. README.md has examples. */

/** `holds`: shown. `refuted`: shown to be wrong. `unknown`: there is no telling. `bad-input`: not even of the right form. */
export type VerdictWord = 'holds' | 'refuted' | 'unknown' | 'bad-input';

export interface CheckpointGist {
    origin: string;
    /** How many entries the tree has; a BigInt from 2^53 on. */
    size: number | bigint;
    /** The root hash, as base64. */
    root: string;
    /** What the log's last checkpoint says. */
    retirement: { next: { key: string; url: string } | null } | null;
    /** The signed note, verbatim. */
    text: string;
}

/** What a check came to. */
export interface Verdict {
    verdict: VerdictWord;
    /** In a sentence: what holds, or what exactly does not. */
    what: string;
    detail: string;
    /** What the reader can do next; empty where it holds. */
    hint: string;
    /** The tree that everything was held against; null where there was none. */
    checkpoint: CheckpointGist | null;
}

export interface RecordVerdict extends Verdict {
    verdict: 'holds' | 'refuted' | 'unknown';
    /** What was not checked, in sentences. */
    notChecked: string[];
    index?: number | bigint;
    kind?: string;
    subject?: { name: string; sha256: string };
    publisher?: string;
    /** The statement digest. */
    statement?: string;
    predicate?: any;
    /** As base64. */
    leafHash?: string;
    /** Key IDs of those that signed. */
    signedBy?: string[];
    /** The entry of the withdrawal that the record fell to. */
    withdrawnBy?: number | bigint;
    /** Two signed checkpoints that don't fit together, if that is what was found. */
    evidence?: Evidence;
}

/** Two checkpoints of one log that don't fit together: what `candor verify FILE` judges. */
export interface Evidence {
    type: string;
    finding: 'fork' | 'unproven' | 'stale';
    origin: string;
    logKey: string;
    seen: string;
    shown: string;
    proof?: { from: number; to: number; rootInLargerTree: string; hashes: string[] };
}

/** What was seen of one log. It is JSON. */
export interface State {
    checkpoint: string;
    evidence: Evidence[];
}

/** Where it is kept what was seen. Several clients, tabs or programs may use one at once. */
export interface Memory {
    get(origin: string): Promise<State | null>;
    /** Keeps `after` if `before` is still what is kept, in one step; else returns false. */
    replace(origin: string, before: State | null, after: State): Promise<boolean>;
    /** Why nothing is kept for good, if that is so. */
    readonly forgets?: string;
}

export interface VerifierKey {
    name: string;
    id: string;
    key: Uint8Array;
    text: string;
}

export interface Checkpoint {
    origin: string;
    size: bigint;
    root: Uint8Array;
    extensions: string[];
    retirement: CheckpointGist['retirement'];
    text: string;
}

export interface LogClientOptions {
    /** Where the log is; nothing else is ever asked. */
    url: string;
    /** Its key, `origin+id+key`, from its operator by a way that you trust. */
    key: string;
    fetch?: typeof globalThis.fetch;
    /** IndexedDB in a browser, or else as long as the program runs. */
    memory?: Memory;
}

export interface ShownRecord {
    entry?: Uint8Array;
    /** As base64 or in hexadecimal. */
    leafHash?: string;
    /** The statement digest. */
    statement?: string;
    /** It is shown as a record that was withdrawn: then its withdrawal has to be in the log. */
    withdrawn?: boolean;
}

/** Talks to one log, and believes nothing that its key and its tree do not bear out. */
export class LogClient {
    /** Throws a {@link Refusal} if `key` is none. */
    constructor(options: LogClientOptions);
    readonly url: string;
    readonly key: VerifierKey;
    memory: Memory;
    /** Forgets the checkpoint, so that the next question is about the log as it is then. */
    refresh(): void;
    /** The newest checkpoint, held against what was seen before; the same one until `refresh`. Throws a {@link Refusal}. */
    checkpoint(): Promise<{ checkpoint: Checkpoint; advance: 'first' | 'same' | 'grown' | 'older' }>;
    /** The same as a verdict. */
    verifyCheckpoint(): Promise<RecordVerdict>;
    /** Whether the record at `index` is in the log, signed by those who had to, not withdrawn, and what is shown of it. */
    verifyRecord(index: number | bigint, shown?: ShownRecord): Promise<RecordVerdict>;
    /** An entry's bytes, proven to be at `index`. Throws a {@link Refusal}. */
    entry(index: bigint): Promise<Uint8Array>;
    /** A document by its digest, which was compared. Throws a {@link Refusal}. */
    attachment(sha256: string, bytesMax: number): Promise<Uint8Array>;
    /** A view of the log's API, of which nothing is proven. Throws a {@link Refusal}. */
    view(path: string): Promise<any>;
    /** A list of the log's API with all its pages, of which nothing is proven. Throws a {@link Refusal}. */
    list(path: string, field: string): Promise<any[]>;
}

/** For as long as the program runs. */
export class MemoryOnly implements Memory {
    get(origin: string): Promise<State | null>;
    replace(origin: string, before: State | null, after: State): Promise<boolean>;
}

/** In IndexedDB, for all tabs of the page's origin; where there is none, for as long as the page is open. */
export class BrowserMemory implements Memory {
    readonly forgets?: string;
    constructor(name?: string);
    get(origin: string): Promise<State | null>;
    replace(origin: string, before: State | null, after: State): Promise<boolean>;
}

/** Why something is not believed. */
export class Refusal extends Error {
    constructor(verdict: 'refuted' | 'bad-input' | 'unknown', what: string, hint?: string, more?: object);
    verdict: 'refuted' | 'bad-input' | 'unknown';
    hint: string;
}

export interface ManifestFile {
    path: string;
    size?: number;
    digest: Record<string, string>;
}

export interface Manifest {
    files: ManifestFile[];
    /** The canonical JSON. */
    bytes: Uint8Array;
    /** Its digest, which is the release's subject digest. */
    sha256: string;
    /** The Merkle root over the files, in hexadecimal. */
    root: string;
}

export interface VerifiedBundle {
    release: string;
    checkpoint: Checkpoint;
    records: LoggedRecord[];
    attachments: Map<string, Uint8Array>;
    /** By the index of the weights record. */
    manifests: Map<bigint, Manifest>;
    chunkLists: Map<bigint, Map<string, Uint8Array[]>>;
    tensorLists: Map<bigint, any[]>;
}

export interface LoggedRecord {
    index: bigint;
    statement: {
        digest: string;
        kind: string;
        subject: { name: string; sha256: string };
        predicate: any;
        publisher: string;
        release: string | null;
    };
    signedBy: { keyid: string; key: Uint8Array }[];
}

export interface BundleVerdict extends Verdict {
    release?: string;
    bundle?: VerifiedBundle;
}

/** What a bundle comes to with nobody to ask: like `candor verify FILE`. `logKey` is `origin+id+key`. */
export function judgeBundle(bytes: Uint8Array, logKey: string): Promise<BundleVerdict>;
/** Reads a bundle, which means nothing before it is verified. Throws a {@link Refusal}. */
export function parseBundle(bytes: Uint8Array): any;
/** Checks everything in a bundle. Throws a {@link Refusal}. */
export function verifyBundle(bundle: any, key: VerifierKey): Promise<VerifiedBundle>;

/** What a receipt and its record come to: like `candor verify PROOF --record FILE`. */
export function judgeReceipt(
    text: string,
    envelope: Uint8Array,
    logKey: string,
): Promise<Verdict & { isInLog: boolean }>;
/** C2SP tlog-proof. Throws a {@link Refusal}. */
export function parseReceipt(text: string): {
    extra: Uint8Array | null;
    index: bigint;
    path: Uint8Array[];
    checkpoint: string;
};
/** That the log of `key` has this entry. Throws a {@link Refusal}. */
export function verifyReceipt(
    text: string,
    entry: Uint8Array,
    key: VerifierKey,
): Promise<{ index: bigint; checkpoint: Checkpoint }>;

/** `origin+id+key`. Throws a {@link Refusal}. */
export function parseVerifierKey(text: string): VerifierKey;
/** A signed checkpoint of the log with `key`. Throws a {@link Refusal}. */
export function verifyCheckpoint(note: string | Uint8Array, key: VerifierKey): Promise<Checkpoint>;
/** Whether evidence shows that the log signed two histories. */
export function isFork(evidence: Evidence, key: VerifierKey): Promise<boolean>;

export interface FoundVerdict extends RecordVerdict {
    /** The releases that were looked at, in the log's order. */
    releases?: FoundVerdict[];
    /** How many more the log lists. */
    more?: number;
    /** Where the file is in the release. */
    path?: string;
    /** How a folder differs. */
    differs?: string[];
}

/** The releases that have a file with this SHA-256. */
export function findFile(client: LogClient, file: { sha256: string; size?: number }): Promise<FoundVerdict>;
/** The releases that are exactly these files. Throws a {@link Refusal} if they can't be a release. */
export function findFolder(client: LogClient, files: ManifestFile[]): Promise<FoundVerdict>;
/** Holds files against the release whose weights record is at `index`. */
export function compareWithRelease(client: LogClient, index: number, files: ManifestFile[], isPart?: boolean): Promise<FoundVerdict>;

/** Reads a manifest, which must be canonical. Throws a {@link Refusal}. */
export function parseManifest(bytes: Uint8Array): Manifest;
/** The manifest of these files. Throws a {@link Refusal}. */
export function manifestOf(files: ManifestFile[]): Manifest;
/** That a `weights` predicate says of this manifest what is so. Throws a {@link Refusal}. */
export function checkStated(manifest: Manifest, predicate: any): void;
/** How what somebody has differs from a manifest: `changed`, `missing` and `extra` refute it. */
export function compareFolder(
    manifest: Manifest,
    found: ManifestFile[],
): { same: number; weak: string[]; notCompared: string[]; changed: string[]; missing: string[]; extra: string[] };

export interface FoundFile {
    path: string;
    file: File;
}
/** The files of a drop. */
export function filesOfDrop(transfer: DataTransfer): Promise<{ isFolder: boolean; found: FoundFile[] }>;
/** The files of an `<input type=file>`. */
export function filesOfInput(files: Iterable<File>): { isFolder: boolean; found: FoundFile[] };
/** Without what a release never lists. */
export function listFolder(found: FoundFile[]): Promise<{ files: FoundFile[]; ignored: string[] }>;

export interface HashOptions {
    /** Is told how many bytes are done. */
    progress?: (bytes: number) => void;
    /** Take the leaf hashes of the chunks of 8 MiB too, of what has more than one. */
    chunks?: boolean;
}
export interface Hashed {
    size: number;
    sha256: string;
    chunks: Uint8Array[];
}
export const CHUNK_BYTES: number;
export function hashBlob(blob: Blob, options?: HashOptions): Promise<Hashed>;
export function hashStream(stream: AsyncIterable<Uint8Array>, options?: HashOptions): Promise<Hashed>;
/** In workers; `worker` is where `hash-worker.js` is. */
export function hashInWorkers(
    files: FoundFile[],
    worker: string | URL,
    progress: (bytes: number, total: number) => void,
): Promise<ManifestFile[]>;

/** SHA-256 of bytes that arrive in pieces. */
export class Sha256 {
    update(bytes: Uint8Array): this;
    digest(): Uint8Array;
}
export function sha256(...parts: Uint8Array[]): Uint8Array;

/** RFC 6962. Proofs that don't hold throw a {@link Refusal}. */
export function leafHash(entry: Uint8Array): Uint8Array;
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array;
export function treeRoot(leaves: Uint8Array[]): Uint8Array;
export function verifyInclusion(proof: {
    index: bigint;
    size: bigint;
    leaf: Uint8Array;
    path: Uint8Array[];
    root: Uint8Array;
}): void;
export function verifyConsistency(
    older: { size: bigint; root: Uint8Array },
    newer: { size: bigint; root: Uint8Array },
    path: Uint8Array[],
): void;

/** Strict JSON; throws a {@link Refusal}. A whole number that is not written as one is a `Number` object. */
export function parseJson(bytes: Uint8Array, valuesMax?: number): any;
/** RFC 8785. */
export function canonicalJson(value: any): string;
