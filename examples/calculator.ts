/**
 * Sends jobs and waits for what they return, in this folder:
 *
 *     deno task mqk run            in one terminal
 *     deno run -A calculator.ts    in another
 */
import { invoke, jobs } from "@mqk/core";

const job = await invoke("./jobs/calculator.ts#sum", 1, 2);
console.log("1 + 2 =", await job.result());

const product = await invoke("./jobs/calculator.ts#Calculator.product", 3, 4);
console.log("3 * 4 =", await product.result());

// With its types: a wrong name or argument does not compile, and the result
// of `sum` is a number.
const calculator = jobs<typeof import("./jobs/calculator.ts")>(
  "./jobs/calculator.ts",
);
const sums = await Promise.all([1, 2, 3].map((n) => calculator.sum(n, n)));
for (const sum of sums) console.log("doubled:", await sum.result());
