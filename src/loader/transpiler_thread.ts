/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * Turns TypeScript and JSX into JavaScript, on a thread of its own: the
 * compiler takes its time, and memory that ends with the thread. Only the
 * compiled program needs it.
 *
 * @module
 */
import process from "node:process";
import type { Transpiled, TranspileJob } from "./transpiler.ts";

/** The part of the TypeScript compiler that is used. */
interface Compiler {
  readonly JsxEmit: Readonly<Record<string, number>>;
  readonly ModuleKind: Readonly<Record<string, number>>;
  readonly ScriptTarget: Readonly<Record<string, number>>;
  flattenDiagnosticMessageText(text: unknown, newLine: string): string;
  transpileModule(source: string, options: unknown): {
    readonly outputText: string;
    readonly sourceMapText?: string;
    readonly diagnostics?: readonly Diagnostic[];
  };
}

interface Diagnostic {
  readonly messageText: unknown;
  readonly start?: number;
}

/** What of `compilerOptions` changes the JavaScript. */
const PASSED_ON = [
  "emitDecoratorMetadata",
  "experimentalDecorators",
  "jsxFactory",
  "jsxFragmentFactory",
  "jsxImportSource",
  "useDefineForClassFields",
  "verbatimModuleSyntax",
];

const compiler = await load();

self.onmessage = ({ data }: MessageEvent<TranspileJob>) => {
  self.postMessage(transpile(data));
};

/** From the compressed copy in the compiled program, else from npm. */
async function load(): Promise<Compiler> {
  if (!Deno.build.standalone) {
    return (await import("npm:typescript@5.9.3"))
      .default as unknown as Compiler;
  }
  const { brotliDecompressSync } = await import("node:zlib");
  const packed = await Deno.readFile(
    new URL("../../dist/build/typescript.js.br", import.meta.url),
  );
  const text = brotliDecompressSync(packed).toString();
  // It was written for CommonJS, and asks for modules of Node.
  return new Function("require", "__filename", text)(
    (name: string) => process.getBuiltinModule(name),
    "/typescript.js",
  );
}

function transpile(job: TranspileJob): Transpiled {
  const { JsxEmit, ModuleKind, ScriptTarget } = compiler;
  const options: Record<string, unknown> = {
    module: ModuleKind.ESNext,
    // The newest in which decorators are not taken for built in.
    target: ScriptTarget.ES2024 ?? ScriptTarget.ES2022,
    jsx: /^react-jsx|^precompile/.test(String(job.compilerOptions.jsx))
      ? JsxEmit.ReactJSX
      : JsxEmit.React,
    isolatedModules: true,
    sourceMap: true,
    newLine: 1,
  };
  for (const name of PASSED_ON) {
    const value = job.compilerOptions[name];
    if (value !== undefined) options[name] = value;
  }
  const { outputText, sourceMapText, diagnostics } = compiler.transpileModule(
    job.source,
    {
      fileName: `module${job.extension}`,
      compilerOptions: options,
      reportDiagnostics: true,
    },
  );
  const flaw = diagnostics?.find(({ start }) => start !== undefined);
  if (flaw !== undefined) {
    const before = job.source.slice(0, flaw.start).split("\n");
    return {
      error: compiler.flattenDiagnosticMessageText(flaw.messageText, " "),
      line: before.length,
      column: before.at(-1)!.length + 1,
    };
  }
  return {
    code: outputText.replace(/\n?\/\/# sourceMappingURL=[^\n]*\s*$/, "\n"),
    mappings: JSON.parse(sourceMapText!).mappings,
  };
}

self.postMessage("ready");
