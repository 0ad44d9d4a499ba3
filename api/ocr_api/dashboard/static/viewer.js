// One picture: zoom and pan by its viewBox, so that outlines stay where they belong; lines and outlines lit together.

const close = document.getElementById("close");
const next = document.getElementById("next");
const MOST = 40, NEAR = 8, STEP = 1.3, NUDGE = 0.15;

function viewer(picture) {
  const full = { width: Number(picture.dataset.width), height: Number(picture.dataset.height) };
  const shown = document.getElementById("zoom");
  let zoom = 1, centre = { x: full.width / 2, y: full.height / 2 };

  function show() {
    const width = full.width / zoom, height = full.height / zoom;
    centre.x = Math.min(full.width, Math.max(0, centre.x));
    centre.y = Math.min(full.height, Math.max(0, centre.y));
    picture.setAttribute("viewBox", `${centre.x - width / 2} ${centre.y - height / 2} ${width} ${height}`);
    picture.classList.toggle("zoomed", zoom > 1);
    shown.textContent = `${Math.round(100 * zoom)} %`;
  }

  const inPicture = (x, y) => new DOMPoint(x, y).matrixTransform(picture.getScreenCTM().inverse());

  /** What lies at `fixed`, in the picture's pixels, stays where it is. */
  function zoomBy(factor, fixed = centre) {
    const before = zoom;
    zoom = Math.min(MOST, Math.max(1, zoom * factor));
    if (zoom === 1) return fit();
    const kept = before / zoom;
    centre = { x: fixed.x + (centre.x - fixed.x) * kept, y: fixed.y + (centre.y - fixed.y) * kept };
    show();
  }

  function fit() {
    zoom = 1;
    centre = { x: full.width / 2, y: full.height / 2 };
    show();
  }

  function moveBy(x, y) {
    if (zoom === 1) return;
    centre = { x: centre.x + x, y: centre.y + y };
    show();
  }

  /** In parts of what is seen. */
  const nudge = (x, y) => moveBy((x * NUDGE * full.width) / zoom, (y * NUDGE * full.height) / zoom);

  /** So near that the outline fills half of what is seen, but not a comma. */
  function lookAt(outline) {
    const box = outline.getBBox();
    zoom = Math.min(NEAR, Math.max(1, 0.5 * Math.min(full.width / box.width, full.height / box.height)));
    centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    show();
  }

  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, inPicture(event.clientX, event.clientY));
  }, { passive: false });

  let held = null;
  const fingers = new Map();
  const spread = () => {
    const [a, b] = fingers.values();
    return { size: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  picture.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size > 1) held = null;
    else if (event.button === 0) held = { x: event.clientX, y: event.clientY, moved: false };
  });
  picture.addEventListener("pointermove", (event) => {
    if (fingers.size === 2 && fingers.has(event.pointerId)) {
      const before = spread();
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      const after = spread();
      zoomBy(after.size / Math.max(1, before.size), inPicture(after.x, after.y));
      return;
    }
    if (!held) return;
    const far = Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4;
    if (!held.moved && !far) return;
    if (!held.moved) picture.setPointerCapture(event.pointerId); // not before: a click belongs to the outline
    const from = inPicture(held.x, held.y), to = inPicture(event.clientX, event.clientY);
    held = { x: event.clientX, y: event.clientY, moved: true };
    picture.classList.add("dragged");
    moveBy(from.x - to.x, from.y - to.y);
  });
  for (const kind of ["pointerup", "pointercancel", "pointerleave"]) { // what is dragged is captured: it never leaves
    picture.addEventListener(kind, (event) => {
      fingers.delete(event.pointerId);
      held = null;
      picture.classList.remove("dragged");
    });
  }
  document.getElementById("zoom-in").addEventListener("click", () => zoomBy(STEP));
  document.getElementById("zoom-out").addEventListener("click", () => zoomBy(1 / STEP));
  document.getElementById("fit").addEventListener("click", fit);
  return { zoomBy, fit, nudge, lookAt };
}

function tieTogether(picture, lines, view) {
  const outlineOf = (number) => picture.querySelector(`[data-line="${number}"]`);
  const entryOf = (number) => lines.querySelector(`[data-line="${number}"]`);
  function light(number, lit) {
    outlineOf(number)?.classList.toggle("lit", lit);
    entryOf(number)?.classList.toggle("lit", lit);
  }
  const numberAt = (event) => event.target.closest("[data-line]")?.dataset.line;
  const pairs = [["pointerover", "pointerout"], ["focusin", "focusout"]];
  for (const place of [picture, lines]) {
    for (const [on, off] of pairs) {
      place.addEventListener(on, (event) => { if (numberAt(event)) light(numberAt(event), true); });
      place.addEventListener(off, (event) => { if (numberAt(event)) light(numberAt(event), false); });
    }
  }
  picture.addEventListener("pointerover", (event) => {
    const entry = numberAt(event) && entryOf(numberAt(event));
    if (entry) lines.scrollTop = entry.offsetTop - lines.clientHeight / 2; // the page stays
  });
  picture.addEventListener("click", (event) => {
    if (numberAt(event)) entryOf(numberAt(event)).querySelector("button").focus();
  });
  lines.addEventListener("click", (event) => {
    const outline = numberAt(event) && outlineOf(numberAt(event));
    if (outline) view.lookAt(outline);
  });
  for (const box of document.querySelectorAll(".kind-choice input")) {
    const show = () => {
      for (const part of document.querySelectorAll(`[data-kind="${box.value}"]`)) part.toggleAttribute("hidden", !box.checked);
    };
    box.addEventListener("change", show);
    show();
  }
}

const picture = document.getElementById("tested-picture");
const view = picture && viewer(picture);
if (view) tieTogether(picture, document.getElementById("lines"), view);

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const { key } = event;
  if (key === "Escape") close.click();
  else if (event.shiftKey && key in MOVES) view?.nudge(...MOVES[key]);
  else if (key === "ArrowLeft") document.getElementById("previous")?.click();
  else if (key === "ArrowRight") next?.click();
  else if (key === "+" || key === "=") view?.zoomBy(STEP);
  else if (key === "-") view?.zoomBy(1 / STEP);
  else if (key === "0") view?.fit();
  else return;
  event.preventDefault();
});

// The next picture is there when it is asked for.
if (next?.dataset.picture) addEventListener("load", () => { new Image().src = next.dataset.picture; });
