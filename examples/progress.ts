/**
 * Follows two jobs: one says how far it is, one streams a story word by word.
 *
 *     deno task mqk run          in one terminal
 *     deno run -A progress.ts    in another
 */
import { jobs } from "@mqk/core";
import type { Progress } from "./jobs/story.ts";

const story = jobs<typeof import("./jobs/story.ts")>("./jobs/story.ts");

const counting = await story.countPrimes(200_000);
for await (const { value } of counting.updates()) {
  // What a job reports has no type of its own; what a generator yields has.
  const { done, of } = value as Progress;
  console.log(`${Math.round((done / of) * 100)} %`);
}
console.log("primes:", await counting.result());

const telling = await story.tell("a job");
for await (const { value: word } of telling.updates()) {
  await Deno.stdout.write(new TextEncoder().encode(word + " "));
}
console.log(`(${(await telling.result()).length} characters)`);
