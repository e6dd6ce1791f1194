/**
 * Tests of the mail example: what a program sends, and what its jobs do, in
 * this process, without workers and without waiting.
 *
 *     deno test -A mail_test.ts
 */
import assert from "node:assert/strict";
import { invoke, jobs } from "@mqk/core";
import { testMqk } from "@mqk/core/testing";

const root = import.meta.dirname;
const mails = jobs<typeof import("./jobs/mail.ts")>("./jobs/mail.ts", {
  backoff: { fixed: 60 },
});

/** What is tested: greets a user now, and asks again in a week. */
async function signUp(to: string, outbox: string): Promise<void> {
  await mails.send({ to, subject: "Welcome", outbox });
  const job = { job: "./jobs/mail.ts#send", delay: 7 * 86_400 };
  await invoke(job, { to, subject: "How is it going?", outbox });
}

Deno.test("a new user gets two mails, the second in a week", async () => {
  await using mqk = testMqk({ root });
  await signUp("ann@example.com", "/nowhere");
  const [first, second] = mqk.jobs("./jobs/mail.ts#send");
  assert.deepEqual(first.dueAt, mqk.now);
  assert.equal(second.dueAt.getTime() - mqk.now.getTime(), 7 * 86_400_000);
  assert.deepEqual(second.args, [{
    to: "ann@example.com",
    subject: "How is it going?",
    outbox: "/nowhere",
  }]);
});

Deno.test("both mails are written, each at its time", async () => {
  const outbox = await Deno.makeTempDir();
  try {
    await using mqk = testMqk({ root });
    await signUp("ann@example.com", outbox);
    const count = () => [...Deno.readDirSync(outbox)].length;
    await mqk.run();
    assert.equal(count(), 1);
    await mqk.advance(7 * 86_400);
    assert.equal(count(), 2);
  } finally {
    await Deno.remove(outbox, { recursive: true });
  }
});

Deno.test("while there is no outbox, a mail is tried again each minute", async () => {
  const outbox = await Deno.makeTempDir();
  await Deno.remove(outbox);
  try {
    await using mqk = testMqk({ root, inline: true });
    const job = await mails.send({
      to: "ann@example.com",
      subject: "",
      outbox,
    });
    assert.equal(await job.status(), "pending");
    await mqk.advance(60);
    assert.equal(await job.status(), "pending");
    await Deno.mkdir(outbox);
    await mqk.advance(60);
    assert.equal(await job.result(), "sent");
  } finally {
    await Deno.remove(outbox, { recursive: true });
  }
});

Deno.test("a wrong address fails at once, and says why", async () => {
  await using mqk = testMqk({ root, inline: true });
  await signUp("nobody", "/nowhere");
  const [failed] = await mqk.failed();
  assert.equal(failed.attempts, 1);
  assert.equal(failed.error.message, '"nobody" is no mail address');
});
