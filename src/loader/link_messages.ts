/**
 * What the job thread and the module thread of the compiled program say to
 * each other.
 *
 * @module
 */
import type { Sandbox } from "../master/orders.ts";

/** Makes a module ready for `import()`, with all that it imports. */
export interface LinkRequest {
  readonly id: number;
  readonly specifier: string;
  /** Original URL of the module that imports it; none: it is a job's own. */
  readonly referrer?: string;
  /** `type` of the import's attributes. */
  readonly type?: string;
}

/** The URL to give to `import()`, or why there is none. */
export interface LinkAnswer {
  readonly id: number;
  readonly url?: string;
  readonly error?: { readonly name: string; readonly message: string };
  /** New since the last answer: URLs of linked modules, and what they were. */
  readonly originals: readonly (readonly [linked: string, original: string])[];
}

/** How the module thread starts. */
export interface ModuleThreadStart {
  readonly port: MessagePort;
  readonly root: string;
  readonly modules: readonly string[];
  readonly allowImport: readonly string[];
  /** None: modules may import any file. */
  readonly sandbox?: Sandbox;
  /** Remote modules that were fetched before are fetched again. */
  readonly reloadBeforeMs?: number;
  /** What all workers share. */
  readonly cacheFolder: string;
  /** What this process alone has: modules with their imports resolved. */
  readonly runFolder: string;
  /** URL of the module through which linked modules find the job thread. */
  readonly runtime: string;
  /** URL of the program's own copy of the library. */
  readonly core: string;
}
