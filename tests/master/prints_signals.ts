/** Prints a line per action until stdin ends. */
import { listenToSignals } from "../../src/master/signals.ts";

using _listening = listenToSignals((action) => console.log(action), {
  terminal: Deno.args.includes("--terminal"),
});
console.log("listening");
await Deno.stdin.readable.pipeTo(new WritableStream());
