// Pure: what /api/v1 tells of a training as the traces of three charts, and as rows of a table.

/** Exponential moving average over what is there, without the pull of its beginning towards zero. */
export function smoothed(values, weight) {
  let sum = 0, total = 0;
  return values.map((value) => {
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

/** Names of figures in the order in which they first appear. */
function namesIn(records, wanted) {
  return [...new Set(records.flatMap((record) => Object.keys(record)))].filter(wanted);
}

function series(records, name, at) {
  const there = records.filter((record) => record[name] !== undefined && record[at] !== undefined);
  return { name, x: there.map((record) => record[at]), y: there.map((record) => record[name]) };
}

const isLoss = (name) => name === "loss" || name.startsWith("loss_");
const isFigure = (name) => !["epoch", "threshold", "step"].includes(name);

/** chart -> series {name, x, y, kind}. kind: line (smoothed), points, marks, or share (its axis ends at 1). */
export function chartsOf({ steps, epochs, validations }) {
  const iterations = new Map(epochs.map((epoch) => [epoch.epoch, epoch]));
  const judged = [...new Set(validations.map((one) => one.epoch))].filter((epoch) => iterations.has(epoch));
  const losses = namesIn(steps, isLoss);
  const told = losses.length === 2 ? ["loss"] : losses; // its only part is the loss itself
  return {
    loss: [
      ...told.map((name) => ({ ...series(steps, name, "step"), kind: "line" })),
      { ...series(epochs, "loss", "iterations"), name: "mean", kind: "points" },
      {
        name: "evaluation", kind: "marks",
        x: judged.map((epoch) => iterations.get(epoch).iterations),
        y: judged.map((epoch) => iterations.get(epoch).loss),
      },
    ],
    figures: namesIn(validations, isFigure).map((name) => ({ ...series(validations, name, "epoch"), kind: "points" })),
    speed: [
      { ...series(steps, "samplesPerSecond", "step"), kind: "line" },
      { ...series(steps, "dataWait", "step"), kind: "share" },
    ],
  };
}

/** name, last, best (of what should be high, or a loss) and where the last was measured. */
export function lastValues({ steps, epochs, validations }) {
  const rows = [];
  const add = (records, name, at, choose) => {
    const { x, y } = series(records, name, at);
    if (y.length) rows.push({ name, last: y.at(-1), best: choose ? choose(...y) : null, at, place: x.at(-1) });
  };
  for (const name of namesIn(steps, isLoss)) add(steps, name, "step", Math.min);
  if (!steps.length) add(epochs, "loss", "epoch", Math.min);
  for (const name of ["lr", "samplesPerSecond", "dataWait"]) add(steps, name, "step", null);
  for (const name of namesIn(validations, isFigure)) add(validations, name, "epoch", Math.max);
  add(validations, "threshold", "epoch", null);
  return rows;
}
