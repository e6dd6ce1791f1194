import { brokerLog } from "../log.ts";

/** The same broker, with a log line for each command: `-vvv`. */
export function traced<T extends object>(broker: T): T {
  return new Proxy(broker, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (name === "schedules") return traced(member as object);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const startedMs = performance.now();
        const answer = member.apply(target, args);
        if (answer instanceof Promise && typeof name === "string") {
          answer.then(
            (value) => log(name, args, show(value), startedMs),
            (error) => log(name, args, `${error}`, startedMs),
          );
        }
        return answer;
      };
    },
  });
}

function log(
  verb: string,
  args: readonly unknown[],
  answer: string,
  startedMs: number,
): void {
  brokerLog.debug("{verb}({args}) in {ms} ms: {answer}", {
    verb,
    args: args.map(show).join(", "),
    ms: (performance.now() - startedMs).toFixed(1),
    answer,
  });
}

function show(value: unknown): string {
  if (value instanceof AbortSignal) return "signal";
  return Deno.inspect(value, {
    compact: true,
    breakLength: Infinity,
    iterableLimit: 4,
    strAbbreviateSize: 80,
  });
}
