// A live job page: goes on from the last event that the server rendered, and draws what arrives.
// EventSource reconnects by itself and sends Last-Event-ID, so nothing is lost or repeated.
"use strict";

(() => {
  const root = document.querySelector("[data-stream]");
  if (!root || !window.EventSource) return;
  const points = JSON.parse(document.getElementById("loss-data").textContent);
  const log = document.getElementById("log");
  const status = document.getElementById("stream-state");
  const seen = { last: Number(root.dataset.last) };
  let pending = 0;

  function text(id, value) {
    const node = document.getElementById(id);
    if (node && value !== undefined && value !== null) node.textContent = value;
  }

  const format = new Intl.NumberFormat("en");
  const roundUp = (value) => {
    if (!(value > 0)) return 1;
    const power = 10 ** Math.floor(Math.log10(value));
    return power * ([1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8].find((factor) => value <= power * factor) || 10);
  };
  const path = (list) => (list.length ? "M" + list.map(([x, y]) => `${x.toFixed(1)} ${Math.max(0, y).toFixed(1)}`).join("L") : "");

  function draw() {
    pending = 0;
    const chart = document.getElementById("loss-chart");
    if (!chart || !points.steps.length) return;
    document.getElementById("loss-empty")?.setAttribute("hidden", "");
    chart.hidden = false;
    const all = [...points.steps, ...points.evaluations];
    const reached = Math.max(...all.map((point) => point[0]));
    const last = Math.max(points.total || 0, reached, 1);
    const top = roundUp(Math.max(...all.map((point) => point[1])));
    const place = ([step, loss]) => [(100 * step) / last, 60 * (1 - loss / top)];
    const raw = points.steps.map(place);
    let mean = 0;
    const line = raw.map(([x, y], index) => {
      mean = 0.85 * mean + 0.15 * y;
      return [x, mean / (1 - 0.85 ** (index + 1))];
    });
    const marks = points.evaluations.map(place);
    chart.querySelector(".raw").setAttribute("d", path(raw));
    chart.querySelector(".line").setAttribute("d", path(line));
    chart.querySelector(".line-2").setAttribute("d", path(marks));
    chart.querySelector(".dot-2").setAttribute("d", marks.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join(""));
    const ahead = chart.querySelector(".ahead");
    ahead.setAttribute("x", (100 * reached) / last);
    ahead.setAttribute("width", 100 - (100 * reached) / last);
    chart.querySelectorAll(".y span").forEach((node, index) => { node.textContent = Number((top * (1 - index / 4)).toPrecision(3)); });
    chart.querySelectorAll(".x span").forEach((node, index) => { node.textContent = format.format(Math.round((last * index) / 4)); });
    const [first, now] = [points.steps[0], points.steps.at(-1)];
    chart.querySelector("svg").setAttribute("aria-label", `Training loss goes from ${first[1].toPrecision(3)} at step ${format.format(first[0])} to ${now[1].toPrecision(3)} at step ${format.format(now[0])}.`);
    text("tile-loss", now[1].toPrecision(3));
  }
  const soon = () => { if (!pending) pending = requestAnimationFrame(draw); };

  function addLine(at, content, kind) {
    const follows = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
    document.getElementById("log-empty")?.remove();
    const row = document.createElement("span");
    const time = document.createElement("i");
    time.textContent = new Date(at).toISOString().slice(11, 19);
    const body = document.createElement(kind === "warning" ? "span" : kind === "log" ? "span" : "b");
    if (kind === "warning") body.className = "w";
    body.textContent = content;
    row.append(time, " ", body, "\n");
    log.append(row);
    while (log.childElementCount > 1000) log.firstElementChild.remove();
    if (follows) log.scrollTop = log.scrollHeight;
  }

  const handlers = {
    step({ payload }) {
      points.total = payload.total_steps || points.total;
      if (Number.isFinite(payload.loss)) {
        const tail = points.steps.at(-1);
        if (tail && tail[0] >= payload.step) points.steps = points.steps.filter((point) => point[0] < payload.step);
        points.steps.push([payload.step, payload.loss]);
      }
      text("tile-step", format.format(payload.step));
      if (payload.total_steps) text("tile-total", `of ${format.format(payload.total_steps)}`);
      const load = document.getElementById("progress-load");
      if (load && payload.total_steps) load.setAttribute("width", `${(100 * payload.step) / payload.total_steps}%`);
      if (Number.isFinite(payload.samples_per_second)) text("tile-speed", payload.samples_per_second.toPrecision(3));
      soon();
    },
    eval({ at, payload }) {
      const metrics = payload.metrics || {};
      if (Number.isFinite(metrics.loss) && payload.phase !== "before") points.evaluations.push([payload.step, metrics.loss]);
      const shown = Object.entries(metrics).filter(([, value]) => Number.isFinite(value)).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
      addLine(at, `step ${payload.step}  ${shown.join("  ")}`, "eval");
      soon();
    },
    log: ({ at, payload }) => addLine(at, payload.line || "", "log"),
    warning: ({ at, payload }) => addLine(at, payload.message || "", "warning"),
    phase: ({ at, payload }) => addLine(at, payload.message || payload.name || "", "phase"),
    // A new state changes buttons, line and tiles: the server renders those.
    state: () => location.reload(),
    stop: () => location.reload(),
  };

  const stream = new EventSource(root.dataset.stream);
  for (const [kind, handler] of Object.entries(handlers)) {
    stream.addEventListener(kind, (event) => {
      const data = JSON.parse(event.data);
      if (data.id <= seen.last) return;
      seen.last = data.id;
      handler(data);
    });
  }
  stream.addEventListener("end", () => {
    stream.close();
    if (!root.dataset.ended) location.reload();
  });
  stream.addEventListener("open", () => { status.textContent = "Live"; status.hidden = false; });
  stream.addEventListener("error", () => { status.textContent = "Reconnecting"; });
  log.scrollTop = log.scrollHeight;
})();
