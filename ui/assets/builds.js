/* The builds' page: what is looked at stands in the address; forms say it to `/do/NAME`; files are fetched and offered.
   Coordinates are in mm here, as the figures are, and in m on the wire. */
(function () {
  "use strict";
  const TICK_MS = 250, MM = 1e-3;
  const byId = (id) => document.getElementById(id);
  const live = () => window.dash_clientside.meltwin;
  const asked = () => live().asked();
  const value = (id) => { const field = byId(id); return field ? field.value.trim() : ""; };
  const hooked = new WeakSet();
  let filtered = "", made = null, withdrawing = null, layer = null;

  function look(changes) {
    const next = Object.assign({}, asked(), changes);
    for (const key of Object.keys(next)) if (next[key] === "" || next[key] === null) delete next[key];
    live().look(next);
    tick();
  }

  /* a field that React controls takes what a script writes only so */
  function put(id, text) {
    const field = byId(id);
    if (!field || field.value === text) return;
    const kind = field.tagName === "SELECT" ? HTMLSelectElement : field.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const idle = (id) => { const field = byId(id); return field && field !== document.activeElement; };

  function tick() {
    const now = asked(), one = now.build !== undefined;
    document.documentElement.dataset.builds = one ? "one" : "list";
    if (!one) { filter(); return; }
    if (idle("build-quantity")) byId("build-quantity").value = now.quantity || "width_m";
    if (idle("build-picture")) byId("build-picture").value = now.picture || "stack";
    if (idle("build-layer")) put("build-layer", now.layer || "");
    if (layer !== (now.layer || "") && byId("note-layer") && !value("note-text")) {  // a note is on what is looked at
      layer = now.layer || "";
      put("note-layer", layer);
    }
    const state = document.querySelector("#build-good .state"), good = state && state.dataset.good === "yes";
    const button = document.querySelector("#good-form .do");
    const words = good ? "Take the mark back" : "Mark as good";
    if (button && button.textContent !== words) button.textContent = words;
    const form = byId("note-form");
    if (form) form.dataset.shape = value("note-shape");
    for (const id of ["by-note", "by-approve"]) if (byId(id) && !byId(id).value && idle(id)) put(id, remembered());
    hook("build-limits", openLayer);
    hook("build-whole", openLayer);
    hook("build-plane", (event) => place(event.points[0]));
    draw();
  }

  function hook(id, clicked) {
    const graph = document.querySelector("#" + id + " .js-plotly-plot");
    if (!graph || !graph.on || hooked.has(graph)) return;
    hooked.add(graph);
    graph.on("plotly_click", clicked);
    if (id === "build-plane") graph.on("plotly_relayout", drawn);
  }

  function openLayer(event) {
    const point = event.points[0];
    const layer = point.customdata !== undefined ? point.customdata : point.data.type === "heatmap" ? point.y : point.x;
    if (layer !== undefined && layer !== null) look({ layer: String(Math.round(layer)) });
  }

  /* a place on the layer for a note: a click, or a shape drawn */
  function place(point) {
    put("note-layer", asked().layer || "");
    if (!value("note-shape")) byId("note-shape").value = "point";
    put("note-x", point.x.toFixed(3));
    put("note-y", point.y.toFixed(3));
    tick();
  }
  function draw() {
    const graph = document.querySelector("#build-plane .js-plotly-plot");
    if (!graph || !graph.layout || !window.Plotly || !graph._fullLayout || !graph._fullLayout.xaxis) return;
    const mode = { circle: "drawcircle", rectangle: "drawrect" }[value("note-shape")] || "pan";
    if ((graph.layout.dragmode || "pan") !== mode) window.Plotly.relayout(graph, { dragmode: mode });
  }
  function drawn(event) {
    const shape = event.shapes && event.shapes[event.shapes.length - 1];
    if (!shape || !shape.editable) return;
    if (event.shapes.filter((each) => each.editable).length > 1) {  // the one drawn before gives way
      const graph = document.querySelector("#build-plane .js-plotly-plot");
      window.Plotly.relayout(graph, { shapes: [...event.shapes.filter((each) => !each.editable), shape] });
      return;
    }
    put("note-layer", asked().layer || "");
    const circle = value("note-shape") === "circle", say = (id, number) => put(id, number.toFixed(3));
    say("note-x", circle ? (shape.x0 + shape.x1) / 2 : shape.x0);
    say("note-y", circle ? (shape.y0 + shape.y1) / 2 : shape.y0);
    if (circle) say("note-radius", Math.max(Math.abs(shape.x1 - shape.x0), Math.abs(shape.y1 - shape.y0)) / 2);
    else { say("note-x1", shape.x1); say("note-y1", shape.y1); }
  }

  function filter() {
    const wanted = value("builds-filter").toLowerCase().split(/\s+/).filter(Boolean);
    const rows = document.querySelectorAll("#builds-list > tr");
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase(), hide = !wanted.every((word) => text.includes(word));
      if (row.hidden !== hide) row.hidden = hide;
      if (!hide) shown += 1;
    }
    const told = shown === rows.length ? rows.length + " builds" : shown + " of " + rows.length + " builds";
    if (told !== filtered && byId("builds-count")) { byId("builds-count").textContent = told; filtered = told; }
  }

  const remembered = () => { try { return localStorage.getItem("meltwin-by") || ""; } catch (error) { return ""; } };
  function by(act) {
    const name = value("by-" + act);
    try { if (name) localStorage.setItem("meltwin-by", name); } catch (error) { /* a browser that keeps nothing */ }
    return name || remembered();
  }

  /* one act at a time of a form; what came of it stands below it */
  async function say(form, name, said, done) {
    const button = form.querySelector(".do"), place = form.querySelector(".said");
    button.disabled = true;
    place.className = "said";
    try {
      await live().act(name, said);
      place.textContent = done;
      return true;
    } catch (error) {
      place.className = "said refused";
      place.textContent = error.message;
      return false;
    } finally { button.disabled = false; }
  }

  const metres = (id) => { const text = value(id); return text === "" ? null : Number(text) * MM; };
  const of = () => ({ machine: asked().machine || "", build: asked().build || "" });
  const COORDINATES = { "": [], point: ["x", "y"], circle: ["x", "y", "radius"], rectangle: ["x", "y", "x1", "y1"] };

  const SUBMIT = {
    "good-form": async (form) => {
      const good = document.querySelector("#build-good .state").dataset.good === "yes";
      const said = Object.assign(of(), { why: value("good-why"), by: by("approve") });
      if (await say(form, good ? "unmark_good" : "mark_good", said, "Kept.")) put("good-why", "");
    },
    "note-form": async (form) => {
      const layer = value("note-layer"), shape = layer === "" ? "" : value("note-shape");
      const said = Object.assign(of(), { text: value("note-text"), by: by("note"), shape: shape });
      if (layer !== "") said.layer = Number(layer);
      for (const name of COORDINATES[shape]) said[name + "_m"] = metres("note-" + name);
      if (await say(form, "note", said, "Kept.")) {
        put("note-text", "");
        if (layer !== "" && layer !== asked().layer) look({ layer: layer });
      }
    },
    "withdraw-form": async (form) => {
      const said = { note: withdrawing, why: value("withdraw-why"), by: by("note") };
      if (await say(form, "withdraw_note", said, "")) { put("withdraw-why", ""); byId("withdraw-dialog").close(); }
    },
    "file-form-form": fetchFile,
  };

  async function fetchFile(form) {
    const button = form.querySelector(".do"), place = form.querySelector(".said");
    const name = value("file-form"), who = by("note");
    const query = new URLSearchParams(Object.assign(of(), { layers: value("file-layers"), by: who }));
    const began = performance.now();
    const told = () => { place.textContent = "Making it: " + Math.round((performance.now() - began) / 1000) + " s"; };
    button.disabled = true;
    place.className = "said";
    told();
    const ticking = setInterval(told, 1000);
    try {
      const answer = await fetch("/file/" + name + "?" + query);
      if (answer.redirected) { location.assign("/sign-in?to=" + encodeURIComponent(location.pathname + location.search)); return; }
      if (!answer.ok) throw new Error(await answer.text());
      const file = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "")[1];
      const content = await answer.blob();
      if (made) URL.revokeObjectURL(made);
      made = URL.createObjectURL(content);
      clearInterval(ticking);
      place.textContent = "Made: ";
      if (/\.(html|pdf)$/.test(file)) { place.append(link(made, "open", { target: "_blank", rel: "noopener" }), " or "); }
      place.append(link(made, "save " + file, { download: file }), " (" + size(content.size) + ")");
    } catch (error) {
      place.className = "said refused";
      place.textContent = error.message || "The server does not answer.";
    } finally { clearInterval(ticking); button.disabled = false; }
  }
  function link(to, text, more) {
    return Object.assign(document.createElement("a"), { href: to, textContent: text }, more);
  }
  const size = (bytes) => bytes < 1e6 ? Math.ceil(bytes / 1e3) + " kB" : (bytes / 1e6).toFixed(1) + " MB";

  function start() {
    const page = document.querySelector("[data-page]");
    if (!page || !window.dash_clientside || !live()) { setTimeout(start, 60); return; }
    if (page.dataset.page !== "builds") return;
    document.addEventListener("submit", (event) => {
      const act = SUBMIT[event.target.id];
      if (act) { event.preventDefault(); act(event.target); }
    }, true);
    document.addEventListener("click", (event) => {
      const at = (kind) => event.target.closest(kind);
      const layer = at("[data-layer]"), step = at("[data-step]"), withdraw = at(".withdraw");
      if (layer) look(Object.assign({ layer: layer.dataset.layer }, layer.dataset.quantity ? { quantity: layer.dataset.quantity } : {}));
      if (step) look({ layer: String(Math.max(Number(asked().layer || 0) + Number(step.dataset.step), 0)) });
      if (withdraw) { withdrawing = Number(withdraw.dataset.note); byId("withdraw-dialog").showModal(); }
      if (at(".cancel")) byId("withdraw-dialog").close();
    });
    document.addEventListener("change", (event) => {
      const told = { "build-quantity": "quantity", "build-picture": "picture", "build-layer": "layer" }[event.target.id];
      if (told) look({ [told]: event.target.value });
      if (event.target.id === "note-shape") tick();
    });
    document.addEventListener("input", (event) => { if (event.target.id === "builds-filter") filter(); });
    setInterval(tick, TICK_MS);
    tick();
  }
  start();
})();
