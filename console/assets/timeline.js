// Drag over the chart to look closer.
import "./console.js";

const plot = document.getElementById("plot");
if (plot) {
  const brush = document.getElementById("brush");
  const since = Date.parse(plot.dataset.since), until = Date.parse(plot.dataset.until);
  let from = null, to = null;

  const at = (ev) => {
    const box = plot.getBoundingClientRect();
    return Math.min(Math.max((ev.clientX - box.left) / box.width, 0), 1);
  };
  const draw = () => {
    brush.setAttribute("x", Math.min(from, to) * 1000);
    brush.setAttribute("width", Math.abs(to - from) * 1000);
  };
  const reset = () => {
    from = to = null;
    brush.setAttribute("width", 0);
  };

  plot.addEventListener("pointerdown", (ev) => {
    if (ev.button !== 0) return;
    plot.setPointerCapture(ev.pointerId);
    from = to = at(ev);
    ev.preventDefault();
  });
  plot.addEventListener("pointermove", (ev) => {
    if (from === null) return;
    to = at(ev);
    draw();
  });
  plot.addEventListener("pointercancel", reset);
  plot.addEventListener("pointerup", () => {
    if (from === null) return;
    const [a, b] = [Math.min(from, to), Math.max(from, to)];
    if (b - a < 0.01) return reset();
    const url = new URL(location.href);
    const time = (part) => new Date(since + part * (until - since)).toISOString();
    url.searchParams.set("since", time(a));
    url.searchParams.set("until", time(b));
    location.assign(url);
  });
}
