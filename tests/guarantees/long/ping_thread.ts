/**
 * A thread that plays another client of Redis servers: it sends PING to each
 * again and again, and says on request how long the replies took.
 *
 * @module
 */

/** From the thread: how long replies took since the last report. */
export interface PingReport {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

const EVERY_MS = 2;
const PING = new TextEncoder().encode("PING\r\n");
const tookMs = new Map<number, number[]>();

async function ping(port: number): Promise<never> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  connection.setNoDelay(true);
  tookMs.set(port, []);
  const reply = new Uint8Array(64);
  for (;;) {
    const sentAt = performance.now();
    await connection.write(PING);
    await connection.read(reply);
    tookMs.get(port)!.push(performance.now() - sentAt);
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

function report(times: number[]): PingReport {
  const sorted = times.splice(0).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)];
  return {
    count: sorted.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    worstMs: at(1),
  };
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ ports: number[] } | "report">) => void;
  postMessage(reports: PingReport[]): void;
};
scope.onmessage = ({ data }) => {
  if (data === "report") scope.postMessage([...tookMs.values()].map(report));
  else for (const port of data.ports) void ping(port);
};
