/**
 * Reads an argument of `mqk invoke`: as JSON if that keeps all digits of its
 * numbers, else as text.
 */
export function parseArgument(text: string): unknown {
  let exact = true;
  try {
    const value = JSON.parse(text, (_key, value, context?: Source) => {
      if (typeof value === "number" && context?.source !== undefined) {
        exact &&= normal(context.source) === normal(String(value));
      }
      return value;
    });
    return exact ? value : text;
  } catch {
    return text;
  }
}

/** What a reviver of `JSON.parse` gets as its third argument. */
interface Source {
  readonly source?: string;
}

/** One spelling for all spellings of a decimal number: `12e-1`. */
function normal(text: string): string {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/
    .exec(text);
  if (match === null) return text;
  const [, sign, whole, fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const shift = Number(exponent) - fraction.length +
    (digits.length - significant.length);
  return `${sign}${significant}e${shift}`;
}
