/** Jobs that tell while they run: one reports, one streams. */
import { currentJob } from "@mqk/core";

/** How far a job is. */
export interface Progress {
  done: number;
  of: number;
}

/** Counts the primes below a number; reports after each tenth. */
export async function countPrimes(below: number): Promise<number> {
  let primes = 0;
  for (let tenth = 1; tenth <= 10; tenth++) {
    const from = Math.ceil((below * (tenth - 1)) / 10);
    const to = Math.ceil((below * tenth) / 10);
    for (let n = Math.max(from, 2); n < to; n++) if (isPrime(n)) primes++;
    const progress: Progress = { done: tenth, of: 10 };
    await currentJob().report(progress);
  }
  return primes;
}

/** Tells a story word by word, as a language model would. */
export async function* tell(hero: string): AsyncGenerator<string, string> {
  const story = `Once upon a time ${hero} waited in a queue, and was served.`;
  for (const word of story.split(" ")) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    yield word;
  }
  return story;
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return true;
}
