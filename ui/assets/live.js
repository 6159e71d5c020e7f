/* Live: asks the server for what is newer, draws it, then asks again. One ask is under way at most, so a slow server
   makes updates rarer and nothing queues. Ages tick here, so that a server that died shows as stale. */
(function () {
  "use strict";
  const LOST_AFTER_S = 3;      // no pulse for this long: the page says so
  const GIVE_UP_AFTER_S = 15;  // no answer for this long: connect anew
  const REFUSALS = 2;          // so many sockets that never opened: something between here and there lets none through
  const POLL_MS = 500, SOCKET_AGAIN_S = 60;
  const MOST_BUTTONS = 8;
  const root = document.documentElement;
  const held = { asked: Object.fromEntries(new URLSearchParams(location.search)), seen: {}, pulse: null };
  const inHand = new Set();  // what a person turns or drags now is not drawn anew under the hand
  const asLeft = {};  // id: what makes of new props those that keep the picture as the person left it
  let socket = null, heardAt = 0, askedAt = 0, retryMs = 300, quietS = 0, tickedAt = 0, refused = 0;

  const now = () => performance.now() / 1000;
  const byId = (id) => document.getElementById(id);
  const ready = () => window.dash_clientside && window.dash_clientside.set_props && document.querySelector("[data-page]");
  const page = () => document.querySelector("[data-page]").dataset.page;
  const scheme = () => root.getAttribute("data-mantine-color-scheme") === "dark" ? "dark" : "light";
  const say = (id, text) => { const place = byId(id); if (place && place.textContent !== text) place.textContent = text; };

  function connect() {
    if (!ready()) { setTimeout(connect, 60); return; }
    socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/live");
    socket.onopen = () => { retryMs = 300; refused = 0; held.seen = {}; ask(); };
    socket.onmessage = (event) => { receive(JSON.parse(event.data)); };
    socket.onclose = (event) => {
      if (event.code === 4401) { location.assign("/sign-in?to=" + encodeURIComponent(location.pathname + location.search)); return; }
      if (heardAt === 0 || refused) refused += 1;
      if (refused >= REFUSALS) { socket = null; poll(now() + SOCKET_AGAIN_S); return; }
      setTimeout(connect, retryMs); retryMs = Math.min(retryMs * 2, 4000);
    };
  }

  /* without a websocket: the same asks as requests, one at a time; now and then the socket is tried again */
  async function poll(until) {
    const begun = now();
    try {
      askedAt = begun;
      const answer = await fetch("/live", { method: "POST", headers: { "Content-Type": "application/json" }, body: asking(),
                                            signal: AbortSignal.timeout(1000 * GIVE_UP_AFTER_S) });
      if (answer.status === 401) { location.assign("/sign-in?to=" + encodeURIComponent(location.pathname + location.search)); return; }
      if (answer.ok) receive(await answer.json(), true);
    } catch (error) { askedAt = 0; }
    if (now() > until) { refused = 1; connect(); return; }
    setTimeout(() => poll(until), Math.max(POLL_MS - 1000 * (now() - begun), 50));
  }

  const asking = () => JSON.stringify({ page: page(), asked: held.asked, scheme: scheme(), seen: held.seen });

  function ask() {
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    askedAt = now();
    socket.send(asking());
  }

  function receive(update, polled) {
    heardAt = now();
    quietS = 0;
    askedAt = 0;
    held.pulse = update.pulse;
    for (const [name, part] of Object.entries(update.parts)) {
      if (Object.keys(part.props).some((id) => inHand.has(id))) continue;  // it comes again
      for (const [id, props] of Object.entries(part.props)) {
        window.dash_clientside.set_props(id, asLeft[id] ? asLeft[id](props) : props);
      }
      held.seen[name] = part.stamp;
    }
    showMachines(update.pulse);
    tick();
    if (!polled) requestAnimationFrame(() => setTimeout(ask, 0));  // a hidden page draws nothing and asks for nothing
  }

  let shown = "";
  function showMachines(pulse) {
    if (page() !== "machine") return;
    const key = JSON.stringify([pulse.machines, pulse.machine]);
    if (key === shown) return;
    shown = key;
    const few = pulse.machines.length <= MOST_BUTTONS ? pulse.machines : [pulse.machine];  // the floor has them all
    const data = few.map((name) => ({ value: name, label: name }));
    window.dash_clientside.set_props("machines", { data: data, value: pulse.machine || "" });
  }

  function choose(value) {
    if (value && held.pulse && value !== held.pulse.machine) {
      look({ ...held.asked, machine: value });
    }
  }

  /* look at something else on this page: the address says what, and can be kept */
  function look(asked) {
    held.asked = asked;
    held.seen = {};
    history.replaceState(null, "", "?" + new URLSearchParams(asked));
  }

  /* a person's act: POST /do/NAME; gives what was done, throws words for the person */
  async function act(name, said) {
    const answer = await fetch("/do/" + name, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(said),
    });
    if (answer.status === 401) location.assign("/sign-in?to=" + encodeURIComponent(location.pathname + location.search));
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  function age(seconds) {
    if (seconds < 9.95) return seconds.toFixed(1) + " s";
    if (seconds < 90) return Math.round(seconds) + " s";
    if (seconds < 5400) return Math.round(seconds / 60) + " min";
    return seconds < 172800 ? Math.round(seconds / 3600) + " h" : Math.round(seconds / 86400) + " d";
  }

  function tick() {
    const silent = now() - heardAt, pulse = held.pulse;
    quietS += Math.min(now() - tickedAt, 0.5);  // time in which this page itself was busy drawing is nobody's silence
    tickedAt = now();
    const link = pulse === null ? "connecting" : quietS > LOST_AFTER_S ? "lost" : "ok";
    root.dataset.link = link;
    say("link-text", { connecting: "connecting", lost: "page not updated for " + age(silent), ok: "page live" }[link]);
    if (askedAt && now() - askedAt > GIVE_UP_AFTER_S && socket) { askedAt = 0; socket.close(); }
    const waiting = pulse === null ? "Connecting to Meltwin" : pulse.waiting;
    root.dataset.waiting = waiting ? "yes" : "no";
    say("waiting-title", pulse === null ? "Connecting to Meltwin…" : "Waiting for a machine");
    say("waiting-text", pulse === null ? "" : waiting);
    tickTiles(pulse, silent);
    say("trouble", pulse && pulse.trouble ? "The store cannot be read now: " + pulse.trouble : "");
    if (!pulse || pulse.age_s === null) {
      root.dataset.fresh = "none";
      say("age", "–");
      return;
    }
    const old = pulse.age_s + silent, stale = old > pulse.stale_after_s;
    root.dataset.fresh = stale ? "stale" : "fresh";
    say("age", age(old));
    const behind = pulse.forecast_age_s !== null && pulse.forecast_age_s + silent <= pulse.stale_after_s;
    const why = link === "lost" ? "Meltwin's server does not answer. "
      : behind ? "The twin is behind: it still works on what came before. " : "The machine has sent nothing since. ";
    const exact = document.querySelector("#verdict .exact");
    const outcome = exact ? "; its outcome was " + exact.textContent : "";
    if (stale) say("stale-text", why + "What is shown is " + age(old) + " old" + outcome + ".");
  }

  /* the floor: each tile's age, whether it is stale, and how many there are of each kind */
  const GROUPS = ["act now", "to watch", "without fresh data", "in order", "offline"];
  function tickTiles(pulse, silent) {
    if (!pulse || !pulse.ages) return;
    const tiles = document.querySelectorAll("#hall > li"), count = {};
    for (const tile of tiles) {
      const sent = pulse.ages[tile.dataset.machine];
      const known = sent !== undefined && sent !== null;
      const stale = tile.dataset.group !== "offline" && (!known || sent + silent > pulse.stale_after_s);
      const group = stale ? GROUPS[2] : tile.dataset.group;
      count[group] = (count[group] || 0) + 1;
      tile.dataset.fresh = stale ? "stale" : "fresh";
      const place = tile.querySelector(".age"), text = known ? age(sent + silent) : "never";
      if (place && place.textContent !== text) place.textContent = text;
    }
    const told = GROUPS.filter((group) => count[group]).map((group) => count[group] + " " + group);
    say("hall-summary", tiles.length + (tiles.length === 1 ? " machine: " : " machines: ") + told.join(", "));
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, { meltwin: {
    choose: choose, look: look, act: act, asked: () => held.asked, pulse: () => held.pulse, inHand: inHand, asLeft: asLeft } });
  root.dataset.link = "connecting";
  root.dataset.waiting = "yes";
  root.dataset.fresh = "none";
  new MutationObserver(() => { held.seen = {}; })
    .observe(root, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
  setInterval(tick, 250);
  connect();
})();
