const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/** The last value of each field, with which a step without an end ends. */
const LAST = ["59", "23", "31", "12", "SAT"];

/**
 * A cron expression as `Deno.cron` reads it, as all else does: its weekdays are
 * numbered from 1 for Sunday, and `5/10` means from 5 to the end. What it has
 * beyond that, as ranges that go backwards, is left as it is.
 */
export function standardExpression(expression: string): string {
  const fields = expression.split(/[ \t]+/);
  if (fields.length !== 5) return expression;
  return fields.map((field, i) => {
    const parts = field.split(",").map((part) => {
      const named = i === 4 ? nameWeekdays(part) : part;
      return named.replace(/^(\w+)\//, `$1-${LAST[i]}/`);
    });
    return parts.join(",");
  }).join(" ");
}

/** `2-6` as `MON-FRI`, `6#2` as `FRI#2`, `L` as `SAT`; steps stay numbers. */
function nameWeekdays(part: string): string {
  if (part === "L") return WEEKDAYS[6];
  return part.replace(
    /^([1-7])(?!\d)|(?<=-)([1-7])(?!\d)/g,
    (digit) => WEEKDAYS[Number(digit) - 1],
  );
}
