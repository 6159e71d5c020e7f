/* The page Models: the form of the process map stands as the server says, and asks; promote and roll back are acts. */
(function () {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const live = () => window.dash_clientside && window.dash_clientside.meltwin;
  const FIELDS = ["material", "spot_um", "preheat_k", "hatch_um", "layer_um"];
  const key = (fields) => FIELDS.map((name) => fields[name]).join("|");
  let shown = "", asked = "";

  function say(id, text, bad) {
    const place = byId(id);
    if (place) { place.textContent = text; place.classList.toggle("bad", Boolean(bad)); }
  }
  const by = (id) => byId(id) ? { by: byId(id).value } : {};

  /* what the server draws stands in the form, until a person types */
  function fill(fields) {
    if (!byId("map-form") || key(fields) === shown) return;
    shown = key(fields);
    for (const name of FIELDS) {
      if (name === "material") byId("map-material").value = fields[name];
      else window.dash_clientside.set_props("map-" + name, { value: String(fields[name]) });
    }
  }

  async function ask(fields) {
    asked = key(fields);
    try { await live().act("ask_map", Object.assign({ by: "who looks at Models" }, fields)); say("map-said", ""); }
    catch (error) { say("map-said", error.message, true); }
  }

  setInterval(() => {
    const page = live(), pulse = page && page.pulse && page.pulse();
    if (!pulse || !pulse.fields || !byId("map-form") || !page.asked().card) return;
    fill(pulse.fields);
    if (pulse.map === "unasked" && asked !== key(pulse.fields)) ask(pulse.fields);
  }, 250);

  document.addEventListener("submit", (event) => {
    if (event.target.id === "map-form") {
      event.preventDefault();
      const said = {};
      for (const name of FIELDS) said[name] = name === "material" ? byId("map-material").value : Number(byId("map-" + name).value);
      shown = "";
      live().look(Object.assign({}, live().asked(), said));
      ask(said);
    }
    if (event.target.id === "promote") { event.preventDefault(); change("promote"); }
  });
  document.addEventListener("click", (event) => {
    if (event.target.id === "promote-back") change("roll_back");
  });

  async function change(act) {
    const machine = byId("promote-machine").value;
    const row = document.querySelector('[data-serves="' + CSS.escape(machine) + '"]');
    const [card, sha256] = byId("promote-card").value.split("|");
    const said = { machine: machine, note: byId("promote-note").value, after: Number(row ? row.dataset.after : 0) };
    if (act === "promote") Object.assign(said, { card: card, sha256: sha256 });
    for (const id of ["promote-do", "promote-back"]) byId(id).disabled = true;
    try {
      const done = await live().act(act, Object.assign(said, by("promote-by")));
      say("promote-said", done.said);
      window.dash_clientside.set_props("promote-note", { value: "" });
    } catch (error) { say("promote-said", error.message, true); }
    for (const id of ["promote-do", "promote-back"]) byId(id).disabled = false;
  }
})();
