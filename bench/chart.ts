import * as echarts from "npm:echarts@6.1.0";
import type { SubjectName } from "./programs.ts";
import type { Row } from "./table.ts";

const SERIES: readonly (readonly [SubjectName, string, string])[] = [
  ["mqk", "MQK", "#1f6feb"],
  ["beeQueue", "bee-queue", "#d4a72c"],
  ["bullmq", "BullMQ", "#8b949e"],
];
const WIDTH = 860;
const ROW_HEIGHT = 62;

/** Jobs a second of all three, for each case that all three have, as SVG. */
export function drawChart(rows: readonly Row[], caption: string): string {
  const shown = rows.filter(({ figure, cells }) =>
    figure.unit === "/s" &&
    SERIES.every(([subject]) => cells[subject].kind === "figure")
  );
  const height = 120 + shown.length * ROW_HEIGHT;
  const chart = echarts.init(null, null, {
    renderer: "svg",
    ssr: true,
    width: WIDTH,
    height,
  });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: "#ffffff",
      title: { text: "Jobs a second", subtext: caption, left: 16, top: 10 },
      legend: { right: 16, top: 16 },
      grid: { left: 250, right: 70, top: 70, bottom: 40 },
      xAxis: { type: "log", min: 1000, splitLine: { show: true } },
      yAxis: {
        type: "category",
        inverse: true,
        data: shown.map(({ title }) => title),
        axisTick: { show: false },
        axisLabel: { width: 230, overflow: "break" },
      },
      series: SERIES.map(([subject, name, color]) => ({
        type: "bar",
        name,
        color,
        barGap: "10%",
        data: shown.map(({ cells }) => {
          const cell = cells[subject];
          return cell.kind === "figure" ? Math.round(cell.median) : 0;
        }),
        label: {
          show: true,
          position: "right",
          color: "#24292f",
          formatter: ({ value }: { value: unknown }) =>
            Number(value).toLocaleString("en-US"),
        },
      })),
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
