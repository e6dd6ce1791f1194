import { type Middleware, NoRetry } from "../../../mod.ts";

/** Refuses, repeats and answers itself, as the first argument asks. */
const middleware: Middleware = async ({ args: [wish] }, next) => {
  switch (wish) {
    case "refuse":
      throw new NoRetry("not allowed");
    case "twice":
      await next();
      return await next();
    case "replace":
      return "instead";
    case "recover":
      return await next().catch((error) => `caught ${error.message}`);
  }
  return await next();
};
export default middleware;
