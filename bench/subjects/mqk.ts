import { connect } from "../../mod.ts";
import {
  measureEnqueue,
  measureRoundTrips,
  obey,
  sumArguments,
} from "./protocol.ts";

await obey({
  async enqueue(order) {
    const { job = "mqk:calculator#sum", kept = true } = order;
    const client = connect(order.dsn);
    const { a, b, text } = sumArguments(order.payloadBytes);
    const args = text === undefined ? [a, b] : [a, b, text];
    const spec = kept ? { job } : { job, result: false };
    return await measureEnqueue(order, {
      many: (queue, count) =>
        client.invokeMany(
          Array.from({ length: count }, () => ({ ...spec, queue, args })),
        ),
      one: (queue) =>
        client.invoke(
          queue === "default" && kept ? job : { ...spec, queue },
          ...args,
        ),
    });
  },

  async "round-trips"(order) {
    const client = connect(order.dsn);
    return await measureRoundTrips(order, async () => {
      const job = await client.invoke(order.job!);
      return await job.result() as number;
    });
  },
});
