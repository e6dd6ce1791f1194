/** What a master does on a signal. */
export type SignalAction =
  /** Let what runs end, then exit. */
  | "stop"
  /** Exit now. */
  | "quit"
  /** One worker more. */
  | "more"
  /** One worker fewer. */
  | "fewer"
  /** Fresh code: replace the workers one by one. */
  | "replace";

/**
 * Turns signals into actions until it is disposed. With `terminal`, HUP means
 * that the terminal was closed.
 */
export function listenToSignals(
  act: (action: SignalAction) => void,
  { terminal }: { readonly terminal: boolean },
): Disposable {
  let interrupted = false;
  const actions: [Deno.Signal, () => SignalAction][] = [
    ["SIGINT", () => {
      const action = interrupted ? "quit" : "stop";
      interrupted = true;
      return action;
    }],
  ];
  if (Deno.build.os === "windows") {
    actions.push(["SIGBREAK", () => "stop"]);
  } else {
    actions.push(
      ["SIGTERM", () => "stop"],
      ["SIGQUIT", () => "quit"],
      ["SIGTTIN", () => "more"],
      ["SIGTTOU", () => "fewer"],
      ["SIGHUP", () => terminal ? "stop" : "replace"],
    );
  }
  const listeners = actions.map(([signal, action]) => {
    const listener = () => act(action());
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return {
    [Symbol.dispose]: () => {
      for (const remove of listeners) remove();
    },
  };
}
