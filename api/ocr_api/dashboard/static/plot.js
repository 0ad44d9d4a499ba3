// Charts in the page's own colours, light and dark. The library is larger than all else that a page loads, so it
// comes when a chart is about to be seen.

export const dark = matchMedia("(prefers-color-scheme: dark)");
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

let loading;
/** Plotly is there afterwards. */
export function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", import.meta.url);
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return loading;
}

/** What all charts have in common: a layout's colours and what one axis looks like. */
export function look() {
  const line = colour("line");
  return {
    ground: { paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color: colour("text"), family: "inherit" } },
    axis: { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true },
  };
}

/** make: (colour) => traces, asked again when the browser turns dark or light. */
export function chart(place, make, { x, y, ...more }) {
  const draw = () => {
    const { ground, axis } = look();
    Plotly.react(place, make(colour), {
      ...ground, margin: { l: 50, r: 10, t: 10, b: 40 }, legend: { orientation: "h", y: 1.15 },
      xaxis: { ...axis, title: { text: x } }, yaxis: { ...axis, title: { text: y }, rangemode: "tozero" }, ...more,
    }, { responsive: true, displayModeBar: false });
  };
  const near = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    near.disconnect();
    await library();
    draw();
    dark.addEventListener("change", draw);
  }, { rootMargin: "200px" });
  near.observe(place);
}
