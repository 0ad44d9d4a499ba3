// The charts of both models, in the page's colours; what is shown, its scale and its smoothing are the reader's.
import { chartsOf, lastValues, smoothed } from "./curve_data.js";
import { colour, dark, library, look } from "./plot.js";

const root = document.getElementById("curves");
const words = JSON.parse(root.dataset.words);
const logScale = document.getElementById("log-scale");
const smoothing = document.getElementById("smoothing");
const COLOURS = {
  light: ["#0757ba", "#a04100", "#116329", "#8250df", "#a40e26", "#57606a"],
  dark: ["#79b8ff", "#ffa657", "#7ee787", "#d2a8ff", "#ff9d96", "#9da7b3"],
};
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "solid"];
const SYMBOLS = ["circle", "square", "diamond", "cross", "x", "star"];
const word = (name) => words[name] ?? name;

function layout(chart, list) {
  const { ground, axis } = look();
  const y = { ...axis, type: chart === "loss" && logScale.checked ? "log" : "linear", rangemode: "tozero" };
  const x = { ...axis, title: { text: word(chart === "figures" ? "epoch" : "step") } };
  if (chart === "figures") {
    y.range = [0, 1.02];
    if (Math.max(...list.map((one) => one.x.at(-1))) < 10) x.dtick = 1; // no half epochs
  }
  return {
    autosize: true, height: 300, margin: { l: 48, r: list.some((one) => one.kind === "share") ? 48 : 12, t: 8, b: 40 },
    ...ground, showlegend: false, hovermode: "x unified", uirevision: "kept",
    hoverlabel: { bgcolor: colour("surface"), font: ground.font },
    xaxis: x, yaxis: y,
    yaxis2: { ...axis, overlaying: "y", side: "right", range: [0, 1.02], dtick: 0.25, tickformat: ".0%", showgrid: false },
  };
}

function traces(list, hidden) {
  const colours = COLOURS[dark.matches ? "dark" : "light"];
  const weight = Number(smoothing.value);
  return list.flatMap(({ name, x, y, kind }, place) => {
    const visible = !hidden.has(name);
    const base = { x, y, name: word(name), visible, yaxis: kind === "share" ? "y2" : "y" };
    const color = colours[place % colours.length];
    if (kind === "marks") {
      return [{ ...base, mode: "markers", marker: { symbol: "triangle-down", size: 11, color }, hoverinfo: "name" }];
    }
    const line = { color, width: 2, dash: DASHES[place % DASHES.length] };
    const marker = { color, size: 6, symbol: SYMBOLS[place % SYMBOLS.length] };
    const mode = kind === "points" || x.length < 30 ? "lines+markers" : "lines";
    if (kind === "points" || weight === 0) return [{ ...base, mode, line, marker }];
    return [
      { ...base, mode: "lines", line: { color, width: 1 }, opacity: 0.3, hoverinfo: "skip" },
      { ...base, y: smoothed(y, weight), mode, line, marker },
    ];
  });
}

class Chart {
  constructor(place) {
    this.place = place;
    this.name = place.dataset.chart;
    this.figure = place.closest("figure");
    this.legend = this.figure.querySelector(".legend");
    this.hidden = new Set();
    new ResizeObserver(() => { if (this.list?.length) Plotly.Plots.resize(place); }).observe(place);
  }

  draw(list) {
    this.list = list.filter((one) => one.x.length);
    this.figure.hidden = this.list.length === 0;
    if (this.figure.hidden) return;
    this.offerLegend();
    this.redraw();
  }

  redraw() {
    if (!this.list?.length) return;
    const options = { displaylogo: false, responsive: true, displayModeBar: false };
    Plotly.react(this.place, traces(this.list, this.hidden), layout(this.name, this.list), options);
    const colours = COLOURS[dark.matches ? "dark" : "light"];
    this.legend.querySelectorAll("i").forEach((swatch, place) => {
      swatch.style.background = colours[place % colours.length];
    });
  }

  /** Boxes to tick instead of the library's legend, which no keyboard reaches. */
  offerLegend() {
    const names = this.list.map((one) => one.name).join();
    if (this.offered === names) return;
    this.offered = names;
    this.legend.replaceChildren(...this.list.map(({ name }) => {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.checked = !this.hidden.has(name);
      box.addEventListener("change", () => {
        if (box.checked) this.hidden.delete(name);
        else this.hidden.add(name);
        this.redraw();
      });
      label.append(box, document.createElement("i"), word(name));
      return label;
    }));
  }
}

function showTable(table, rows) {
  const number = (value) => (value === null ? "–" : value.toLocaleString(document.documentElement.lang, { maximumSignificantDigits: 4 }));
  table.tBodies[0].replaceChildren(...rows.map(({ name, last, best, at, place }) => {
    const made = document.createElement("tr"), head = document.createElement("th");
    head.scope = "row";
    head.textContent = word(name);
    made.append(head);
    for (const text of [number(last), number(best), `${word(at)} ${place}`]) {
      const cell = made.insertCell();
      cell.className = "number";
      cell.textContent = text;
    }
    return made;
  }));
}

export class Curves {
  constructor(api) {
    this.api = api;
    this.charts = new Map();
    for (const model of root.querySelectorAll(".model")) {
      this.charts.set(model.id, [...model.querySelectorAll(".chart")].map((place) => new Chart(place)));
    }
    const redraw = () => { for (const charts of this.charts.values()) charts.forEach((chart) => chart.redraw()); };
    logScale.addEventListener("change", redraw);
    smoothing.addEventListener("input", () => {
      document.getElementById("smoothing-value").textContent = smoothing.value;
      redraw();
    });
    logScale.form.addEventListener("submit", (event) => event.preventDefault());
    dark.addEventListener("change", redraw);
  }

  async fetch(model) {
    const answer = await fetch(`${this.api}/curves/${model}`).catch(() => null);
    if (!answer?.ok) return; // what is drawn stays; where nothing is, the page says so already
    const found = await answer.json();
    const place = document.getElementById(model);
    if (!found.steps.length && !found.epochs.length) return;
    place.querySelector(".none").hidden = true;
    place.querySelector(".drawn").hidden = false;
    await library();
    const lists = chartsOf(found);
    for (const chart of this.charts.get(model)) chart.draw(lists[chart.name]);
    showTable(place.querySelector(".last-values"), lastValues(found));
  }
}
