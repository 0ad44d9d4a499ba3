// The data gate's findings: filtered and a page at a time, with the picture and the outline that is meant.

const PAGE = 25;
const SIDE = 1600;
const SVG = "http://www.w3.org/2000/svg";
const root = document.getElementById("findings");
const words = JSON.parse(root.dataset.words);
const said = document.getElementById("findings-said");
const table = document.getElementById("found");
const figure = document.getElementById("picture");
const filters = ["severity", "kind", "image"].map((id) => document.getElementById(id));
const [before, next] = ["before", "next"].map((id) => document.getElementById(id));
const pages = before.parentElement;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const asPath = (image) => image.split("/").map(encodeURIComponent).join("/");

export class Findings {
  constructor(api) {
    this.api = api;
    this.starts = [{ after: 0, count: 0 }]; // where each page begins, and how many findings lie before it
    this.asked = 0;
    for (const filter of filters) filter.addEventListener("input", () => this.restart());
    filters[0].form.addEventListener("submit", (event) => event.preventDefault());
    before.addEventListener("click", () => { this.starts.pop(); this.fetch(); });
    next.addEventListener("click", () => { this.starts.push(this.following); this.fetch(); });
  }

  restart() {
    this.starts.length = 1;
    this.fetch();
  }

  async fetch() {
    const ask = (this.asked += 1);
    const start = this.starts.at(-1);
    const query = new URLSearchParams({ limit: PAGE, after: start.after });
    for (const filter of filters) if (filter.value.trim()) query.set(filter.id, filter.value.trim());
    const answer = await fetch(`${this.api}/findings?${query}`).catch(() => null);
    const page = answer?.ok ? await answer.json() : null;
    if (ask === this.asked) this.show(page, start);
  }

  show(page, start) {
    const items = page?.items ?? [];
    table.tBodies[0].replaceChildren(...items.map((finding) => this.row(finding)));
    table.hidden = items.length === 0;
    this.following = { after: page?.next, count: start.count + items.length };
    before.disabled = this.starts.length === 1;
    next.disabled = !page?.next;
    filters[0].form.hidden = pages.hidden = !page?.checked;
    if (!page?.checked) said.textContent = words.unchecked;
    else if (!items.length) said.textContent = words.none;
    else said.textContent = fill(words.range, { first: start.count + 1, last: this.following.count });
  }

  row(finding) {
    const made = document.createElement("tr");
    const texts = [words.severities[finding.severity] ?? finding.severity, words.kinds[finding.kind] ?? finding.kind];
    for (const text of texts) made.insertCell().textContent = text;
    made.cells[0].className = `severity-${finding.severity}`;
    const image = made.insertCell();
    if (finding.image && !["missing-image", "ambiguous-image"].includes(finding.kind)) {
      const button = document.createElement("button");
      button.className = "link";
      button.textContent = finding.image;
      button.ariaLabel = fill(words.show, { image: finding.image });
      button.addEventListener("click", () => showPicture(this.api, finding));
      image.append(button);
    } else {
      image.textContent = finding.image;
    }
    made.insertCell().textContent = finding.annotation ? `${finding.annotation}: ${finding.what}` : finding.what;
    made.insertCell().textContent = finding.done;
    return made;
  }
}

/** Scaled where the facade does that and tells the original's size; else the original itself. */
async function pictureOf(api, image) {
  const answer = await fetch(`${api}/pictures/${asPath(image)}?size=${SIDE}`).catch(() => null);
  const size = ["Width", "Height"].map((side) => Number(answer?.headers.get(`X-Picture-${side}`)));
  if (!answer?.ok || !size.every((side) => side > 0)) return { source: `${api}/files/${asPath(image)}` };
  return { source: URL.createObjectURL(await answer.blob()), size };
}

let shown = 0;

async function showPicture(api, finding) {
  const turn = (shown += 1);
  const picture = await pictureOf(api, finding.image);
  if (turn !== shown) return;
  const img = figure.querySelector("img"), overlay = figure.querySelector("svg");
  const caption = figure.querySelector("figcaption");
  overlay.replaceChildren();
  figure.hidden = false;
  if (img.src.startsWith("blob:")) URL.revokeObjectURL(img.src);
  img.src = picture.source;
  img.alt = finding.image;
  try {
    await img.decode();
  } catch {
    if (turn === shown) caption.textContent = fill(words.missing, finding);
    return;
  }
  if (turn !== shown) return;
  draw(overlay, finding.polygon ?? [], picture.size ?? [img.naturalWidth, img.naturalHeight]);
  const drawn = overlay.childElementCount > 0;
  caption.textContent = `${fill(drawn ? words.drawn : words.alone, finding)} ${finding.what}`;
  figure.scrollIntoView({ block: "nearest" });
}

/** Outlines in pixels of the original: the drawing has its size and is laid over the picture. */
function draw(overlay, outlines, [width, height]) {
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (const numbers of outlines) {
    const points = [];
    for (let place = 0; place + 1 < numbers.length; place += 2) points.push(`${numbers[place]},${numbers[place + 1]}`);
    if (!points.length) continue;
    const outline = document.createElementNS(SVG, "polygon");
    outline.setAttribute("points", points.join(" "));
    overlay.append(outline);
    for (const point of points) {
      const [x, y] = point.split(",");
      const dot = document.createElementNS(SVG, "circle");
      for (const [name, value] of Object.entries({ cx: x, cy: y, r: Math.max(width, height) / 250 })) dot.setAttribute(name, value);
      overlay.append(dot);
    }
  }
}
