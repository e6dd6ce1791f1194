/**
 * What is true of every broker, as cases that each implementation passes: a
 * file per verb. `tests/broker/<name>_broker_test.ts` calls
 * {@linkcode exercise}.
 *
 * @module
 */
import { afterCases } from "./after.ts";
import { beginCases } from "./begin.ts";
import { cancelCases } from "./cancel.ts";
import { changeCases } from "./change.ts";
import { controlCases } from "./control.ts";
import { countsCases } from "./counts.ts";
import { enqueueCases } from "./enqueue.ts";
import { groupsCases } from "./groups.ts";
import { inspectorCases } from "./inspector.ts";
import { lookCases } from "./look.ts";
import { reapCases } from "./reap.ts";
import { reconcileCases } from "./reconcile.ts";
import { recoverCases } from "./recover.ts";
import { releaseCases } from "./release.ts";
import { renewCases } from "./renew.ts";
import { reserveCases } from "./reserve.ts";
import { resultsCases } from "./results.ts";
import { Scene, type Test } from "./scene.ts";
import { schedulesCases } from "./schedules.ts";
import { settleCases } from "./settle.ts";
import type { OpenStore } from "./store.ts";
import { stormCases } from "./storm.ts";
import { takeRecordCases } from "./take_record.ts";
import { tiedCases } from "./tied.ts";
import { uniqueCases } from "./unique.ts";
import { updatesCases } from "./updates.ts";
import { valuesCases } from "./values.ts";
import { waitCases } from "./wait.ts";

/** Declares every case for one implementation. */
export function exercise(name: string, open: OpenStore): void {
  const test: Test = (sentence, run, limits = {}) =>
    Deno.test(`${name}: ${sentence}`, async () => {
      await using store = await open(limits);
      await run(new Scene(store));
    });
  for (
    const cases of [
      enqueueCases,
      reserveCases,
      beginCases,
      settleCases,
      releaseCases,
      renewCases,
      recoverCases,
      reapCases,
      reconcileCases,
      waitCases,
      takeRecordCases,
      resultsCases,
      updatesCases,
      valuesCases,
      countsCases,
      controlCases,
      cancelCases,
      uniqueCases,
      groupsCases,
      tiedCases,
      afterCases,
      inspectorCases,
      schedulesCases,
      lookCases,
      changeCases,
      stormCases,
    ]
  ) cases(test);
}
