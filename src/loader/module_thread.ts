/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * The entry of the module thread, a Web Worker of the compiled program: reads
 * modules, fetches and transforms them, and links them for the job thread.
 *
 * @module
 */
import { ImportAccess } from "./access.ts";
import { ModuleCache } from "./cache.ts";
import type {
  LinkAnswer,
  LinkRequest,
  ModuleThreadStart,
} from "./link_messages.ts";
import { Linker, linkError } from "./linker.ts";
import { IMPORTS_ARE_UNCHECKED } from "./module_hooks.ts";
import { ProjectConfig } from "./project_config.ts";
import { RemoteModules } from "./remote.ts";
import { Resolver } from "./resolve.ts";
import { SourceLoader } from "./source.ts";
import { Transformer } from "./transform.ts";

self.onmessage = ({ data }: MessageEvent<ModuleThreadStart>) => {
  let service: LinkService | undefined;
  data.port.onmessage = async (event: MessageEvent<LinkRequest>) => {
    try {
      service ??= new LinkService(data);
      data.port.postMessage(await service.answer(event.data));
    } catch (error) {
      const { id } = event.data;
      data.port.postMessage(
        { id, error: linkError(error), originals: [] } satisfies LinkAnswer,
      );
    }
  };
};

/** Answers the requests of one job thread. */
class LinkService {
  readonly #resolver: Resolver;
  readonly #linker: Linker;

  constructor(start: ModuleThreadStart) {
    const config = ProjectConfig.read(start.root);
    const cache = new ModuleCache(start.cacheFolder);
    const remote = new RemoteModules(
      new ImportAccess(start),
      cache,
      start.reloadBeforeMs,
    );
    this.#resolver = new Resolver(config);
    this.#linker = new Linker({
      ...start,
      resolver: this.#resolver,
      sources: new SourceLoader(remote, this.#resolver, start.sandbox),
      transformer: new Transformer(cache, config),
      confined: start.sandbox !== undefined && IMPORTS_ARE_UNCHECKED,
    });
    setTimeout(() => cache.clean(), 1000);
  }

  async answer(
    { id, specifier, referrer, type }: LinkRequest,
  ): Promise<LinkAnswer> {
    let url: string | undefined;
    let error: LinkAnswer["error"];
    try {
      const target = referrer === undefined
        ? specifier
        : this.#resolver.resolve(specifier, referrer);
      url = await this.#linker.link(target, type);
    } catch (thrown) {
      error = linkError(thrown);
    }
    return { id, url, error, originals: this.#linker.takeOriginals() };
  }
}
