/* Replay: asks for a moment of a stored build, draws it, and only then asks for the moment that is wanted by then. So at
   most one question is under way: a slow server makes pictures rarer, and playing fast leaves frames out, and says so. */
(function () {
  "use strict";
  if (location.pathname !== "/replay") return;
  const root = document.documentElement;
  const LEFT = 84, RIGHT = 18;      // px, as ui/figures/course.py
  const STEPS = 100000;             // of the scrubber
  const meltwin = window.dash_clientside.meltwin;
  const asked = meltwin.asked();    // the feed's: a moment is nobody's but this viewer's
  const at = { machine: asked.machine || "", build: asked.build || "", moment: asked.at, layer: asked.layer, beside: asked.beside || "" };
  delete asked.at; delete asked.layer; delete asked.beside;
  const looked = meltwin.look;      // a choice of how something is drawn: this moment, drawn so
  meltwin.look = (choices) => { looked(choices); seen = {}; if (course) { remember(here(), true); want(here()); } };
  root.dataset.replay = at.build ? "build" : "list";

  const byId = (id) => document.getElementById(id);
  const scheme = () => root.getAttribute("data-mantine-color-scheme") === "dark" ? "dark" : "light";
  const say = (id, text) => { const place = byId(id); if (place && place.textContent !== text) place.textContent = text; };
  const set = (parts, seen) => {
    for (const [name, part] of Object.entries(parts)) {
      if (seen && Object.keys(part.props).some((id) => meltwin.inHand.has(id))) continue;  // it comes again
      for (const [id, props] of Object.entries(part.props)) {
        window.dash_clientside.set_props(id, meltwin.asLeft[id] ? meltwin.asLeft[id](props) : props);
      }
      if (seen) seen[name] = part.stamp;
    }
  };

  /* ---- the list: a filter over words ---- */
  function filter() {
    const words = (byId("recordings-filter").value || "").toLowerCase().split(/\s+/).filter(Boolean);
    const rows = document.querySelectorAll("#recordings tr");
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => (row.dataset.words || "").includes(word));
      shown += row.hidden ? 0 : 1;
    }
    say("recordings-count", shown === rows.length ? rows.length + " stored" : shown + " of " + rows.length);
  }

  /* ---- a build ---- */
  let course = null, seen = {}, now = null, wanted = null, busy = false, playing = false, lastTick = 0, drawn = null;
  let slider = null, pauses = null, savedAt = 0;

  async function get(path, query) {
    const answer = await fetch(path + "?" + new URLSearchParams(query));
    if (answer.status === 401 || answer.redirected) location.assign("/sign-in?to=" + encodeURIComponent(location.pathname + location.search));
    if (!answer.ok) throw new Error(await answer.text());
    const told = await answer.json();
    if (told.missing) throw new Error(told.missing);
    return told;
  }

  async function readCourse() {
    const told = await get("/replay/course", { machine: at.machine, build: at.build, scheme: scheme() });
    course = told.said;
    set(told.parts);
    const place = byId("beside");
    const names = ["", ...course.opinions];
    if (at.beside && !names.includes(at.beside)) at.beside = "";
    if (byId("again-operator")) window.dash_clientside.set_props("again-operator", { data: [...new Set(["reference", ...course.operators])] });
    place.replaceChildren(...names.map((name) => new Option(name || "nothing", name, false, name === at.beside)));
    say("replay-title", [at.build, course.part && "part " + course.part, "machine " + at.machine].filter(Boolean).join(" · "));
    return course;
  }

  const clamp = (value) => course.span ? Math.min(Math.max(value, course.span[0]), course.span[1] + 1e-6) : value;
  function layerAt(moment) {
    let found = null;
    for (const layer of course.layers) { if (layer[1] <= moment) found = layer; else break; }
    return found;
  }
  const beginOf = (layer) => Math.min(layer[1] + 1.001 * (course.frame_s || 0), Math.max(layer[2], layer[1]));

  /* the moment that is wanted: the cursor goes there at once, the panels when they are drawn */
  function want(moment) {
    if (!course || !course.span) return;
    wanted = clamp(moment);
    cursor(wanted);
    pump();
  }

  async function pump() {
    if (busy || wanted === null) return;
    busy = true;
    const moment = wanted;
    wanted = null;
    try {
      const told = await get("/replay/moment", {
        ...meltwin.asked(), machine: at.machine, build: at.build, at: String(moment), opinion: at.beside, scheme: scheme(),
        seen: JSON.stringify(seen),
      });
      set(told.parts, seen);
      show(told.said);
      say("replay-trouble", "");
    } catch (error) { stop(); say("replay-trouble", error.message); }
    requestAnimationFrame(() => setTimeout(() => { busy = false; if (playing && wanted === null) tick(); pump(); }, 0));
  }

  function show(said) {
    const before = drawn;
    drawn = now = said;
    root.dataset.moment = said.shown;
    root.dataset.momentAt = String(said.at_s);
    say("moment-by", said.operator || "nobody");
    if (playing && before && before.frame_layer === said.frame_layer && said.frame - before.frame > 1) {
      say("play-note", "1 frame drawn in " + (said.frame - before.frame).toLocaleString("en") + ": the others are left out at this speed");
    } else if (playing && before && before.frame_layer !== null && said.frame_layer !== before.frame_layer) {
      say("play-note", "from layer " + before.frame_layer + " to " + said.frame_layer + " between two pictures");
    } else if (!playing) say("play-note", "");
    remember(said.at_s, !playing);
  }

  function remember(moment, must) {
    const t = performance.now();
    if (!must && t - savedAt < 1000) return;  // browsers refuse an address that changes all the time
    savedAt = t;
    at.moment = moment;
    const query = { ...meltwin.asked(), machine: at.machine, build: at.build, at: String(moment) };
    if (at.beside) query.beside = at.beside;
    history.replaceState(null, "", "?" + new URLSearchParams(query));
  }

  function shownSpan() {
    if (!course || !course.span) return [0, 1];
    if (byId("zoom").value === "layer") {
      const layer = layerAt(wanted ?? (now ? now.at_s : course.span[0]));
      if (layer) { const room = 0.03 * Math.max(layer[2] - layer[1], 1e-6); return [layer[1] - room, layer[2] + room]; }
    }
    return course.span;
  }

  let drawnSpan = "";
  function cursor(moment) {
    const [begin, end] = shownSpan(), share = Math.min(Math.max((moment - begin) / (end - begin || 1), 0), 1);
    const box = document.querySelector(".course-box"), line = byId("course-cursor");
    if (box && line) line.style.left = LEFT + share * (box.clientWidth - LEFT - RIGHT) + "px";
    const layer = layerAt(moment);
    const text = "process time " + moment.toLocaleString("en", { minimumFractionDigits: 3, maximumFractionDigits: 6 }) + " s";
    say("moment-at", text);
    if (slider) {
      slider.value = Math.round(share * STEPS);
      slider.setAttribute("aria-valuetext", text + (layer ? ", layer " + layer[0] : ""));
    }
    const graph = document.querySelector("#course .js-plotly-plot"), key = begin + ":" + end + scheme();
    const ready = graph && window.Plotly && graph.layout && graph.layout.uirevision === at.machine + "/" + at.build;
    if (ready && key !== drawnSpan) { drawnSpan = key; window.Plotly.relayout(graph, { "xaxis.range": [begin, end] }); }
  }

  /* ---- playing ---- */
  const speed = () => Number(byId("speed").value) || 1;
  function tick() {
    const t = performance.now() / 1000, passed = Math.min(t - lastTick, 2);
    lastTick = t;
    if (!playing || !now) return;
    const amount = passed * speed();
    let next = pauses.checked ? onward(now.at_s, amount) : now.at_s + amount;
    if (next >= course.span[1]) { next = course.span[1]; stop(); }
    want(next);
  }
  /* so much process time on, in layers and gaps alone: a gap is no pause, it is played */
  function onward(from, amount) {
    let time = from;
    for (let i = 0; i <= 2 * course.layers.length; i++) {
      const layer = layerAt(time), gap = course.gaps.find(([begin, end]) => time >= begin && time < end);
      const end = gap ? gap[1] : layer && time <= layer[2] ? layer[2] : time;
      if (time + amount <= end) return time + amount;
      amount -= end - time;
      time = end;
      if (course.gaps.some((each) => each[0] === time)) continue;
      const next = course.layers.find((each) => each[1] >= time && each !== layer);
      if (!next) return course.span[1];
      time = beginOf(next);
    }
    return time;
  }
  function play() {
    if (!course || !course.span) return;
    if (now && now.at_s >= course.span[1]) want(course.span[0]);
    playing = true;
    lastTick = performance.now() / 1000;
    say("play", "Pause");
    byId("moment-where").setAttribute("aria-live", "off");  // nobody wants to hear every picture
    root.dataset.playing = "yes";
    if (!busy) tick();
  }
  function stop() {
    playing = false;
    say("play", "Play");
    byId("moment-where").setAttribute("aria-live", "polite");
    root.dataset.playing = "no";
    say("play-note", "");
    if (drawn) remember(drawn.at_s, true);
  }

  /* ---- going somewhere ---- */
  const here = () => wanted ?? (now ? now.at_s : course.span[0]);
  const NEAR = 1e-9;
  const go = {
    "play": () => { if (playing) stop(); else play(); },
    "frame-before": () => { stop(); if (now && now.before_s !== null) want(now.before_s); },
    "frame-after": () => { stop(); if (now && now.after_s !== null) want(now.after_s); },
    "layer-before": () => {
      const mine = layerAt(here()), before = course.layers.filter((layer) => beginOf(layer) < here() - NEAR);
      const to = mine && here() - beginOf(mine) > 0.05 * (mine[2] - mine[1]) ? mine : before[before.length - 1];
      if (to) want(beginOf(to));
    },
    "layer-after": () => { const to = course.layers.find((layer) => layer[1] > here() + NEAR); if (to) want(beginOf(to)); },
    "alert-before": () => { const before = course.alerts.filter((time) => time < here() - NEAR); if (before.length) want(before[before.length - 1]); },
    "alert-after": () => { const to = course.alerts.find((time) => time > here() + NEAR); if (to !== undefined) want(to); },
    "begin": () => want(course.layers.length ? beginOf(course.layers[0]) : course.span[0]),
    "end": () => want(course.span[1]),
  };
  const KEYS = {
    " ": "play", ArrowLeft: "frame-before", ArrowRight: "frame-after", "[": "layer-before", "]": "layer-after",
    p: "alert-before", n: "alert-after", Home: "begin", End: "end",
  };
  function key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !course) return;
    if (event.target.closest("#why, #why-mark, dialog")) return;  // they have keys of their own
    const typing = event.target.matches("select, textarea, input:not([type=range]):not([type=checkbox])");
    const pressing = event.key === " " && event.target.matches("button, summary, a, input[type=checkbox]");
    if (typing || pressing) return;
    if (event.key === "-" || event.key === "+" || event.key === "=") {
      const place = byId("speed");
      place.selectedIndex = Math.min(Math.max(place.selectedIndex + (event.key === "-" ? -1 : 1), 0), place.options.length - 1);
    } else if (event.key === "z") {
      byId("zoom").value = byId("zoom").value === "layer" ? "build" : "layer";
      cursor(here());
    } else if (KEYS[event.key]) go[KEYS[event.key]]();
    else return;
    event.preventDefault();
  }

  /* ---- forecast again: a request row, looked at until it has ended ---- */
  const number = (id) => Number(byId(id).value);
  async function askAgain(event) {
    event.preventDefault();
    if (!now || now.layer === null || byId("again-ask").disabled) return;
    const by = byId("again-by"), said = {
      machine: at.machine, build: at.build, layer: now.layer, from_s: now.at_s, frames: number("again-frames"),
      operator: byId("again-operator").value.trim(), power: number("again-power"), speed: number("again-speed"),
      absorptivity: number("again-absorptivity"),
    };
    if (by) { said.by = by.value.trim(); sessionStorage.setItem("meltwin-by", said.by); }
    byId("again-ask").disabled = true;
    try {
      const asked = await meltwin.act("ask_reforecast", said);
      byId("again-share").hidden = false;
      for (;;) {
        const told = await meltwin.act("look_reforecast", by ? { request: asked.request, by: said.by } : { request: asked.request });
        byId("again-share").value = told.share;
        say("again-said", told.said);
        if (told.ended) { if (told.opinion) { at.beside = told.opinion; await readCourse(); want(here()); } break; }
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
    } catch (error) { say("again-said", error.message); }
    byId("again-share").hidden = true;
    byId("again-ask").disabled = false;
  }

  function furnish() {
    if (byId("again-form")) {
      byId("again-form").addEventListener("submit", askAgain);
      if (byId("again-by")) window.dash_clientside.set_props("again-by", { value: sessionStorage.getItem("meltwin-by") || "" });
    }
    slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: STEPS, value: 0, id: "scrub" });
    slider.setAttribute("aria-label", "Moment of the build");
    byId("scrub-box").append(slider);
    slider.addEventListener("input", () => { const [begin, end] = shownSpan(); want(begin + (end - begin) * slider.value / STEPS); });
    pauses = Object.assign(document.createElement("input"), { type: "checkbox", id: "pauses", checked: true });
    byId("pauses-box").append(pauses);
    byId("speed").value = "1";
    for (const name of Object.keys(go)) { const button = byId(name); if (button) button.addEventListener("click", () => go[name]()); }
    byId("zoom").addEventListener("change", () => cursor(here()));
    byId("beside").addEventListener("change", (event) => { at.beside = event.target.value; want(here()); });
    document.addEventListener("keydown", key);
    window.addEventListener("resize", () => { if (course) cursor(here()); });
    document.querySelector(".course-box").addEventListener("click", (event) => {
      const box = document.querySelector(".course-box").getBoundingClientRect();
      const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
      if (event.target.id === "scrub" || share < 0 || share > 1) return;
      const [begin, end] = shownSpan();
      want(begin + share * (end - begin));
    });
    new MutationObserver(again).observe(root, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
    setInterval(() => { if (!playing && course && course.goes_on && !document.hidden) readCourse().then(() => cursor(here())).catch(() => {}); }, 30000);
  }
  function again() { seen = {}; readCourse().then(() => want(here())).catch((error) => say("replay-trouble", error.message)); }

  async function begin() {
    if (!window.dash_clientside.set_props || !byId("scrub-box") || !byId("course") || !byId("recordings-filter")) { setTimeout(begin, 60); return; }
    if (!at.build) {
      byId("recordings-filter").addEventListener("input", filter);
      new MutationObserver(filter).observe(byId("recordings"), { childList: true });
      return;
    }
    furnish();
    try { await readCourse(); } catch (error) { say("replay-trouble", error.message); return; }
    if (!course.span) { now = { at_s: 0 }; return; }
    const said = Number(at.moment), layer = course.layers.find((each) => String(each[0]) === at.layer);
    if (at.moment && Number.isFinite(said)) want(said);
    else if (layer) want(beginOf(layer));
    else go.begin();
  }
  begin();
})();
