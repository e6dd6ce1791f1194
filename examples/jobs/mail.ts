/** A job that may run twice, and still sends one mail. */
import { join } from "node:path";
import { currentJob, NoRetry } from "@mqk/core";

/** A mail, and the folder that stands for the mail server. */
export interface Mail {
  to: string;
  subject: string;
  outbox: string;
}

/** Sends a mail; answers with whether this attempt sent it, or one before. */
export async function send({ to, subject, outbox }: Mail): Promise<string> {
  // Trying again would not help, so it fails at once.
  if (!to.includes("@")) throw new NoRetry(`"${to}" is no mail address`);
  const { id, signal } = currentJob();
  // The id is the same in every attempt: the file is written once.
  const file = join(outbox, `${id}.txt`);
  try {
    await Deno.writeTextFile(file, `To: ${to}\nSubject: ${subject}\n`, {
      createNew: true,
      signal,
    });
    return "sent";
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return "sent before";
    throw error;
  }
}
