/** A worker without broker and jobs: it does what the first module says. */
import { existsSync } from "node:fs";
import {
  parseOrder,
  printReport,
  type Report,
  type WorkerConfig,
} from "../../src/master/orders.ts";

const encoder = new TextEncoder();
let config: WorkerConfig | undefined;
let rest = "";

function say(text: string): void {
  Deno.stderr.writeSync(encoder.encode(text));
}

function report(report: Report): void {
  say(printReport(config!.nonce, report));
}

/** Each worker is ready when there is a file with its number in this folder. */
function waitForTurn(folder: string): number {
  for (let number = 1;; number++) {
    try {
      Deno.openSync(`${folder}/started${number}`, {
        createNew: true,
        write: true,
      }).close();
    } catch {
      continue;
    }
    while (!existsSync(`${folder}/go${number}`));
    return number;
  }
}

function start(): void {
  const { name, predecessor = "nobody", first, modules } = config!;
  let number = 0;
  say(`started ${Deno.pid} ${name} after ${predecessor} first=${first}\n`);
  switch (modules[0]) {
    case "fatal":
      report({ report: "fatal", line: "Cannot reach it", exitCode: 1 });
      return Deno.exit(0);
    case "never ready":
      return Deno.exit(3);
    case "environment":
      say(`${Deno.env.get("MQK_DSN")} ${Deno.args}\n`);
      break;
    case "lines":
      say("no line end");
      report({ report: "busy" });
      say("a whole ");
      say("line\n\n");
      break;
    case "suspect":
      report({ report: "suspect" });
      break;
    case "one job fails":
      report({ report: "failed" });
      break;
    case "first is worn":
      number = waitForTurn(modules[1]);
  }
  report({ report: "ready" });
  if (number === 1) report({ report: "worn" });
  if (modules[0] === "deaf and worn") {
    setInterval(() => {
      report({ report: "worn" });
      say(`asked ${Deno.pid}\n`);
    }, 20);
  }
  if (config!.burst) {
    setInterval(() => report({ report: "idle", waiting: 0 }), 20);
  }
}

for await (
  const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())
) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const order = parseOrder(line);
    if (order.order === "start") {
      config = order.config;
      start();
      continue;
    }
    say(`${order.order} ${Deno.pid}\n`);
    const deaf = config!.modules[0].startsWith("deaf");
    if (order.order === "recover") continue;
    if (order.order === "drain") {
      setTimeout(() => report({ report: "idle", waiting: 0 }), 100);
    } else if (!deaf) Deno.exit(0);
  }
}
