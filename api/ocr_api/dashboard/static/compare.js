// Curves of two runs over each other.
import { chart } from "./plot.js";

const KINDS = {
  loss: ({ steps }) => [steps.map((one) => one.step), steps.map((one) => one.loss)],
  hmean: ({ validations }) => [validations.map((one) => one.epoch), validations.map((one) => one.hmean)],
  char: ({ validations }) => [validations.map((one) => one.epoch), validations.map((one) => one.char_precision)],
};
const LINES = [["accent", "solid"], ["false", "dash"]];

const place = document.getElementById("compared-curves");
const runs = JSON.parse(place.dataset.runs);
const addresses = JSON.parse(place.dataset.curves);

async function load(model) {
  const found = await Promise.all(runs.map(async (run) => {
    if (!addresses[model][run]) return null;
    const answer = await fetch(addresses[model][run]);
    return answer.ok ? answer.json() : null;
  }));
  for (const figure of place.querySelectorAll(`[data-model="${model}"]`)) {
    const values = found.map((curves) => curves && KINDS[figure.dataset.kind](curves));
    const make = (colour) => values.flatMap((value, n) => value ? [{
      type: "scatter", mode: value[0].length < 30 ? "lines+markers" : "lines", name: runs[n], x: value[0], y: value[1],
      line: { color: colour(LINES[n][0]), dash: LINES[n][1] },
    }] : []);
    chart(figure.querySelector(".plot"), make, { x: figure.dataset.x, showlegend: true });
  }
}

for (const model of Object.keys(addresses)) load(model);
