// Stacked bars per day with uPlot, and the same figures as a table.
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { nano, placesOf, sum, usd } from "../lib/money.js";

const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c7", "--c8"];
const OTHERS = "--c6";
const GROUPS_MAX = COLOURS.length;
const HEIGHT = 240;
let library = null;

// The minified classic script; it is fetched when the first chart is drawn.
function uplot() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.documentElement.dataset.chart;
    script.onload = () => resolve(window.uPlot);
    script.onerror = () => { library = null; reject(new Error("The chart could not be loaded.")); };
    document.head.append(script);
  });
  return library;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// days: [{day, cost, groups: [{name, cost}]}]; `names` turns a group's name into what is shown.
export function UsageChart({ days, names = (name) => name, label }) {
  const { groups, rows } = stacked(days);
  const [failed, setFailed] = useState(null);
  const box = useRef(null);
  const [hover, setHover] = useState(null);

  useEffect(() => {
    let plot = null;
    let gone = false;
    const draw = (UPlot) => {
      if (gone || !box.current) return;
      plot?.destroy();
      plot = new UPlot(options(UPlot, box.current.clientWidth, rows, groups, setHover), data(rows, groups), box.current);
    };
    const redraw = () => uplot().then(draw, setFailed);
    redraw();
    const watch = new ResizeObserver(() => box.current && plot?.setSize({ width: box.current.clientWidth, height: HEIGHT }));
    watch.observe(box.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    addEventListener("themechange", redraw);
    return () => {
      gone = true;
      watch.disconnect();
      dark.removeEventListener("change", redraw);
      removeEventListener("themechange", redraw);
      plot?.destroy();
    };
  }, [days]);

  const day = hover === null ? null : rows[hover];
  return html`<figure class="chart">
    <div class="chart-note small num" aria-hidden="true">${day
      ? html`<strong>${day.day}</strong> ${usd(day.cost, placesIn(day))}${groups.filter((g) => day.of.get(g)).map((g) => html`<span class="key" key=${g}><i class=${`c${groups.indexOf(g)}`}></i>${names(g)} ${usd(day.of.get(g), placesIn(day))}</span>`)}`
      : groups.map((g, n) => html`<span class="key" key=${g}><i class=${`c${n}`}></i>${names(g)}</span>`)}</div>
    ${failed && html`<p class="error" role="alert">${failed.message}</p>`}
    <div class="plot" ref=${box} aria-hidden="true"></div>
    <div class="visually-hidden"><table><caption>${label}</caption>
      <thead><tr><th scope="col">Day</th>${groups.map((g) => html`<th scope="col" key=${g}>${names(g)}</th>`)}<th scope="col">Total</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.day}><th scope="row">${row.day}</th>
        ${groups.map((g) => html`<td key=${g}>${usd(row.of.get(g) || "0", placesIn(row))}</td>`)}<td>${usd(row.cost, placesIn(row))}</td></tr>`)}</tbody></table></div></figure>`;
}

// The parts of a day add up to its total as they are shown.
const placesIn = (day) => placesOf([], [[day.cost, [...day.of.values()]]]);

// The dearest groups by name, the rest together.
function stacked(days) {
  const totals = new Map();
  for (const day of days) for (const group of day.groups) totals.set(group.name, (totals.get(group.name) || 0n) + nano(group.cost));
  const sorted = [...totals.keys()].sort((a, b) => (totals.get(b) > totals.get(a) ? 1 : -1));
  const kept = sorted.slice(0, GROUPS_MAX);
  const groups = sorted.length > kept.length ? [...kept, "others"] : kept;
  const rows = days.map((day) => {
    const of = new Map();
    for (const group of day.groups) {
      const name = kept.includes(group.name) ? group.name : "others";
      of.set(name, sum(of.get(name) || "0", group.cost));
    }
    return { day: day.day, cost: day.cost, of };
  });
  return { groups, rows };
}

// uPlot draws each series from zero: the tallest stack first, the others over it.
function data(rows, groups) {
  const levels = rows.map(() => 0);
  const series = groups.map((group) => rows.map((row, n) => (levels[n] += Number(row.of.get(group) || 0))));
  return [rows.map((_, n) => n), ...series.reverse()];
}

// As many digits as the finest step needs, and the same for all.
const digitsOf = (splits) => {
  const needed = Math.max(0, ...splits.map((v) => (String(+v.toPrecision(6)).split(".")[1] || "").length));
  return needed === 1 ? 2 : needed;
};

function options(UPlot, width, rows, groups, setHover) {
  const [ink, line] = [colour("--ink-3"), colour("--line")];
  const font = "12px system-ui, sans-serif";
  const bars = UPlot.paths.bars({ size: [0.7, 48] });
  const name = (n) => (groups[n] === "others" ? OTHERS : COLOURS[n]);
  const short = (day) => new Date(`${day}T12:00`).toLocaleDateString(undefined, { month: "short", day: "numeric" });
  return {
    width, height: HEIGHT, legend: { show: false }, padding: [12, 8, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: false, range: [-0.6, Math.max(rows.length, 1) - 0.4] }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    hooks: { setCursor: [(plot) => setHover(plot.cursor.left >= 0 ? plot.cursor.idx : null)] },
    axes: [
      { stroke: ink, font, size: 28, grid: { show: false }, ticks: { show: false }, incrs: [1, 2, 3, 5, 7, 14, 30], space: 60,
        values: (_, splits) => splits.map((n) => (rows[n] ? short(rows[n].day) : "")) },
      { stroke: ink, font, size: (_, labels) => Math.max(64, 16 + 7 * Math.max(0, ...(labels || []).map((label) => label.length))), grid: { stroke: line, width: 1 }, ticks: { show: false }, values: (_, splits) => splits.map((v) => `$${v.toFixed(digitsOf(splits))}`) },
    ],
    series: [{}, ...groups.map((_, n) => {
      const fill = colour(name(groups.length - 1 - n));
      return { fill, stroke: fill, width: 0, paths: bars, points: { show: false } };
    })],
  };
}
