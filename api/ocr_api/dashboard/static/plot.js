// Charts in the page's own colours, light and dark. The library is larger than all else that a page loads, so it
// comes when a chart is about to be seen.

const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

let loading;
function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", import.meta.url);
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return loading;
}

/** make: (colour) => traces, asked again when the browser turns dark or light. */
export function chart(place, make, { x, y, ...more }) {
  const draw = () => {
    const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), automargin: true };
    Plotly.react(place, make(colour), {
      paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: { color: colour("text") },
      margin: { l: 50, r: 10, t: 10, b: 40 }, legend: { orientation: "h", y: 1.15 },
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
