import assert from "node:assert/strict";
import { startLogging } from "../../src/cli/log.ts";
import { StderrLines } from "../../src/cli/stderr.ts";
import { JobLog } from "../../src/worker/job_log.ts";

/** What is printed while `act` logs, without time and process number. */
async function logged(act: (log: JobLog) => void): Promise<string[]> {
  let text = "";
  const lines = new StderrLines({
    write: (bytes) => {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  {
    await using _logging = startLogging({
      verbosity: 0,
      format: "text",
      lines,
    });
    using log = new JobLog(0);
    act(log);
  }
  return text.trimEnd().split("\n")
    .map((line) => line.replace(/^.*? \./, ""));
}

Deno.test("beyond 100 failures a second their number is logged, and other lines are not lost", async () => {
  const lines = await logged((log) => {
    for (let i = 0; i < 130; i++) log.failed(`p.${i}`, "Error: no", "again");
    log.putBack("7:0");
  });
  assert.equal(lines.length, 102);
  assert.match(lines[99], /^WARNING: The job p\.99 failed/);
  assert.match(lines[100], /^WARNING: The job 7:0 is put back.*version/);
  assert.equal(lines[101], "WARNING: 30 more jobs failed");
});
