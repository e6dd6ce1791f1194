import { hidePassword } from "../hide_password.ts";
import { ArgumentError } from "../errors.ts";
import {
  type Order,
  parseOrder,
  printReport,
  type Report,
} from "../master/orders.ts";
import { LoadingThread } from "../worker/loading_thread.ts";
import { StderrLines } from "./stderr.ts";

/** `mqk work`: the worker process that a master spawns; no user calls it. */
export async function work(): Promise<void> {
  const orders = readOrders();
  const first = (await orders.next()).value;
  if (first?.order !== "start") return;
  const { config } = first;
  const lines = new StderrLines();
  const report = (report: Report) =>
    lines.write(printReport(config.nonce, report));
  try {
    const thread = new LoadingThread(config);
    // The rest is loaded beside the thread, on another core.
    const { QueueWorker } = await import("../worker/worker.ts");
    const { startLogging } = await import("./log.ts");
    await using _logging = startLogging({
      verbosity: config.verbosity,
      format: config.logFormat,
      lines,
    });
    const worker = await QueueWorker.start(config, thread, report);
    await worker.serve(orders);
  } catch (error) {
    const exitCode = error instanceof ArgumentError ? 2 : 1;
    const line = hidePassword((error as Error).message);
    report({ report: "fatal", line, exitCode });
  }
  await lines.flush();
  // The job thread may be in a loop for ever; only this ends it.
  Deno.exit(0);
}

async function* readOrders(): AsyncGenerator<Order, void, void> {
  let rest = "";
  for await (
    const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())
  ) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield parseOrder(line);
  }
}
