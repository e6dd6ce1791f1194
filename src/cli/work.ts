import { hidePassword } from "../hide_password.ts";
import { ArgumentError } from "../errors.ts";
import {
  type Order,
  parseOrder,
  printReport,
  type Report,
} from "../master/orders.ts";
import { QueueWorker } from "../worker/worker.ts";
import { startLogging } from "./log.ts";
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
  {
    await using _logging = startLogging({
      verbosity: config.verbosity,
      format: config.logFormat,
      lines,
    });
    try {
      const worker = await QueueWorker.start(config, report);
      await worker.serve(orders);
    } catch (error) {
      const exitCode = error instanceof ArgumentError ? 2 : 1;
      const line = hidePassword((error as Error).message);
      report({ report: "fatal", line, exitCode });
    }
  }
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
