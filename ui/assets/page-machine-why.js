/* Why: picks a moment on the timeline or a place on the layer, asks, and looks at the answer four times a second until it is there. */
(function () {
  "use strict";
  const LOOK_MS = 250, STILL_PX = 5, FAR = 10;
  const BY = "meltwin-by";
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const set = (id, props) => window.dash_clientside.set_props(id, props);
  const act = (name, said) => window.dash_clientside.meltwin.act(name, { by: sessionStorage.getItem(BY) || "somebody", ...said });
  const chart = () => document.querySelector("#timeline .js-plotly-plot");
  const scheme = () => root.getAttribute("data-mantine-color-scheme") === "dark" ? "dark" : "light";
  const isOpen = () => root.dataset.why === "open";
  let picked = null;   // {layer, frame, time_s}; null: the newest, whichever that is
  let of = "";         // the machine it is of
  let request = null, ended = true, timer = null, leads = "", watched = null, mapped = null;

  function known() {
    const graph = chart(), meta = graph && graph.layout && graph.layout.meta;
    return meta && meta.frame && meta.frame.length ? meta : null;
  }

  function duration(seconds) {
    const [size, unit] = seconds >= 0.9995 ? [1, "s"] : seconds >= 0.9995e-3 ? [1e-3, "ms"] : [1e-6, "µs"];
    return Number((seconds / size).toPrecision(3)) + " " + unit;
  }

  function index(meta) {
    if (!picked) return meta.frame.length - 1;
    return meta.frame.findIndex((frame, n) => frame === picked.frame && meta.layer[n] === picked.layer);
  }

  function pick(meta, n) {
    const last = meta.frame.length - 1, to = Math.max(0, Math.min(n, last));
    picked = to === last ? null : { layer: meta.layer[to], frame: meta.frame[to], time_s: meta.time_s[to] };
    place();
  }

  /* a place on the layer is a frame of it, which may be older than the timeline shows */
  function pickFrame(frame) {
    const meta = known();
    if (!meta) return;
    const last = meta.frame.length - 1, layer = meta.layer[last];
    const n = meta.frame.findIndex((each, at) => each === frame && meta.layer[at] === layer);
    if (n >= 0) { pick(meta, n); return; }
    const first = meta.layer.indexOf(layer), spans = last - first;
    const frame_s = spans ? (meta.time_s[last] - meta.time_s[first]) / (meta.frame[last] - meta.frame[first]) : 0;
    picked = { layer: layer, frame: frame, time_s: meta.time_s[last] - (meta.frame[last] - frame) * frame_s };
    place();
  }

  /* the mark stands where its moment is in the picture, which moves on */
  function place() {
    const meta = known(), mark = byId("why-mark"), graph = chart();
    if (!meta || !mark || !graph._fullLayout || !isOpen()) return;
    if (meta.machine !== of) { of = meta.machine; picked = null; }
    const axis = graph._fullLayout.xaxis, time_s = picked ? picked.time_s : meta.now_s;
    const at = axis.l2p((time_s - meta.now_s) * meta.per_s), box = byId("timeline");
    mark.style.left = box.offsetLeft + axis._offset + Math.max(at, 0) + "px";
    mark.style.top = box.offsetTop + graph._fullLayout._size.t + "px";
    mark.style.height = graph._fullLayout._size.h + "px";
    const n = index(meta);
    mark.dataset.past = at < 0 ? "yes" : "no";
    const text = picked ? duration(Math.max(meta.now_s - time_s, 0)) + " before now, frame " + picked.frame
      + " of layer " + picked.layer : "now, the newest frame";
    for (const [key, value] of Object.entries({ min: 0, max: meta.frame.length - 1, now: Math.max(n, 0), text: text })) {
      if (mark.getAttribute("aria-value" + key) !== String(value)) mark.setAttribute("aria-value" + key, value);
    }
    if (byId("why-moment").textContent !== text) byId("why-moment").textContent = text;
    showLeads(meta);
  }

  function showLeads(meta) {
    const key = JSON.stringify(meta.leads);
    if (key === leads) return;
    leads = key;
    byId("why-lead").replaceChildren(new Option("now", "0"), ...meta.leads.map(([value, label]) => new Option(label, value)));
  }

  function open() {
    root.dataset.why = "open";
    byId("why-open").setAttribute("aria-expanded", "true");
    if (byId("why-by")) set("why-by", { value: sessionStorage.getItem(BY) || "" });
    place();
    byId("why-mark").focus({ preventScroll: true });
    byId("why").scrollIntoView({ block: "nearest" });
    if (!ended) look();
  }

  function close() {
    root.dataset.why = "";
    clearTimeout(timer);
    byId("why-open").setAttribute("aria-expanded", "false");
    byId("why-open").focus();
    forget();
  }

  /* nobody waits any more for what was asked */
  function forget() {
    if (!ended) act("withdraw_attribution", { request: request }).catch(() => {});
    ended = true;
  }

  function say(words, tone) {
    set("why-state", { children: words, className: "why-state " + tone });
  }

  async function ask() {
    const meta = known(), name = byId("why-by");
    if (!meta) { say("There is no forecast to ask about yet.", "caution"); return; }
    forget();
    const said = { machine: meta.machine, of: document.querySelector("#why-of input:checked").value,
      lead_s: Number(byId("why-lead").value), frame: null };
    const last = meta.frame.length - 1, shown = { layer: meta.layer[last], frame: meta.frame[last], time_s: meta.time_s[last] };
    const about = picked || (root.dataset.replay ? shown : null);  // a replay's newest is not the machine's
    if (about) Object.assign(said, { build: meta.build }, about);
    if (name) said.by = name.value.trim();
    say("Asking…", "");
    try {
      const done = await act("ask_attribution", said);
      if (name) sessionStorage.setItem(BY, said.by);
      request = done.request;
      ended = false;
      picked = { layer: done.layer, frame: done.frame, time_s: done.time_s };
      place();
      look();
    } catch (error) {
      say(error.message || "The server did not answer. Nothing was asked; try again.", "caution");
      if (name && !said.by) name.focus();
    }
  }

  async function look() {
    clearTimeout(timer);
    const asked = request;
    try {
      const told = await act("look_attribution", { request: asked, scheme: scheme() });
      if (asked !== request) return;
      for (const [id, props] of Object.entries(told.props)) set(id, props);
      ended = told.ended;
    } catch (error) {
      if (asked !== request) return;
      say("The answer cannot be looked at now: " + (error.message || "the server does not answer") + ".", "caution");
    }
    if (!ended && isOpen()) timer = setTimeout(look, LOOK_MS);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "why-open") { if (isOpen()) close(); else open(); }
    if (button.id === "why-close") close();
    if (button.id === "why-now") { picked = null; place(); }
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "why-form") return;
    event.preventDefault();
    if (byId("why-form").querySelector("[type=submit]")) ask();
  });
  document.addEventListener("keydown", (event) => {
    if (!isOpen() || !event.target.closest("#why, #why-mark")) return;
    if (event.key === "Escape") { close(); return; }
    if (event.target.id !== "why-mark") return;
    const meta = known(), steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -FAR, PageUp: FAR };
    if (!meta) return;
    if (event.key in steps) pick(meta, Math.max(index(meta), 0) + steps[event.key]);
    else if (event.key === "Home") pick(meta, 0);
    else if (event.key === "End") pick(meta, meta.frame.length - 1);
    else if (event.key === "Enter") ask();
    else return;
    event.preventDefault();
  });

  /* a click on the chart, and not a drag, is a moment */
  let pressed = null;
  window.addEventListener("pointerdown", (event) => {
    pressed = isOpen() && event.target.closest("#timeline") ? [event.clientX, event.clientY] : null;
  }, true);
  window.addEventListener("pointerup", (event) => {
    const meta = known();
    if (!pressed || !meta || Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > STILL_PX) return;
    const axis = chart()._fullLayout.xaxis, left = chart().getBoundingClientRect().left + axis._offset;
    const time_s = meta.now_s + axis.p2l(event.clientX - left) / meta.per_s;
    let nearest = 0;
    meta.time_s.forEach((each, n) => { if (Math.abs(each - time_s) < Math.abs(meta.time_s[nearest] - time_s)) nearest = n; });
    pick(meta, nearest);
  }, true);

  new MutationObserver(() => { if (ended && request !== null && isOpen()) look(); })
    .observe(root, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
  setInterval(() => {  // the charts come with the page, and may come again
    const map = document.querySelector("#layer .js-plotly-plot"), graph = chart();
    if (map && map.on && map !== mapped) {
      mapped = map;
      map.on("plotly_click", (event) => {
        const point = isOpen() && event.points.find((each) => typeof each.customdata === "number");
        if (point) pickFrame(point.customdata);
      });
    }
    if (!graph || !graph.on || graph === watched) return;
    watched = graph;
    graph.on("plotly_afterplot", place);
    place();
  }, 500);
})();
