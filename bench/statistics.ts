/** The sum of some numbers, divided by how many they are. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The middle of some numbers; the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The value below which `percent` of them lie, between neighbours. */
export function percentile(
  values: readonly number[],
  percent: number,
): number {
  if (values.length === 0) {
    throw new RangeError("Cannot take a percentile of no values");
  }
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * percent / 100;
  const low = Math.floor(place);
  const high = Math.ceil(place);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

/** Half the distance between the extremes, as a share of the median. */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  if (middle === 0) return 0;
  return (Math.max(...values) - Math.min(...values)) / 2 / Math.abs(middle);
}
