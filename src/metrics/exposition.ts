/**
 * Metrics as data, and as the text that Prometheus reads.
 *
 * @module
 */
import {
  type Metric as Registered,
  Registry,
} from "npm:@prometheus-io/client@0.16.1";

/** What tells the samples of a metric apart. */
export type Labels = Readonly<Record<string, string | number>>;

/** One number. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Of a histogram: the metric's name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

/** All that is known of one thing. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: readonly Sample[];
}

/** The media type of {@linkcode printMetrics}. */
export const METRICS_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** The label of a queue, by the conventions of OpenTelemetry. */
export const QUEUE_LABEL = "messaging_destination_name";

/** Metrics in the text format of Prometheus. */
export async function printMetrics(
  metrics: readonly Metric[],
): Promise<string> {
  const registry = new Registry();
  for (const metric of metrics) {
    // All that a registry asks of a metric; the library's own counts as it goes.
    const known = { name: metric.name, get: () => Promise.resolve(metric) };
    registry.registerMetric(known as unknown as Registered);
  }
  const text = await registry.metrics();
  return text.endsWith("\n") ? text : text + "\n";
}
