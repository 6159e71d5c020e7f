/* Acts on alerts: a button in a row opens the one dialog; what is said goes to /do/DEED. */
(function () {
  "use strict";
  const BY = "meltwin-by";  // the person's name, as long as this window is open, where nobody signs in
  const byId = (id) => document.getElementById(id);
  const set = (id, props) => window.dash_clientside.set_props(id, props);
  const THEN = { acknowledge: "What did you see, or do?", shelve: "Why is it silenced?", unshelve: "Why? May stay empty." };
  let about = null, sending = false;

  function open(button) {
    about = Object.assign({ words: button.textContent }, button.dataset);
    const dialog = byId("act-dialog"), row = button.closest(".alert");
    byId("act-title").textContent = about.words + ": " + row.querySelector("strong").textContent;
    byId("act-about").textContent = [row.querySelector(".place"), row.querySelector(".evidence")]
      .map((each) => each ? each.textContent : "").filter(Boolean).join(". ");
    byId("act-send").textContent = about.words;
    byId("act-refused").textContent = "";
    dialog.dataset.deed = about.deed;
    set("act-note", { value: "", placeholder: THEN[about.deed] });
    if (byId("act-by")) set("act-by", { value: sessionStorage.getItem(BY) || "" });
    dialog.showModal();
    (byId("act-by") && !sessionStorage.getItem(BY) ? byId("act-by") : byId("act-note")).focus();
  }

  async function send() {
    if (sending) return;
    const name = byId("act-by"), deed = about.deed;
    const said = { machine: about.machine, build: about.build, kind: about.kind, occurrence: Number(about.occurrence),
      note: byId("act-note").value };
    if (name) said.by = name.value.trim();
    if (deed === "shelve") said.minutes = Number(byId("act-minutes").value);
    sending = true;
    byId("act-send").setAttribute("aria-disabled", "true");
    try {
      const done = await window.dash_clientside.meltwin.act(deed, said);
      if (name) sessionStorage.setItem(BY, said.by);
      byId("act-dialog").close();
      byId("act-said").textContent = done.said;
    } catch (error) {
      byId("act-refused").textContent = error.message || "The server did not answer. Nothing was done; try again.";
      (name && !said.by ? name : byId("act-note")).focus();
    } finally {
      sending = false;
      byId("act-send").removeAttribute("aria-disabled");
    }
  }

  /* the same alert's button in the list of now: for the same deed, else another */
  function same(which) {
    const its = Array.from(document.querySelectorAll("#alerts button[data-deed]")).filter((each) =>
      ["machine", "build", "kind", "occurrence"].every((key) => each.dataset[key] === which[key]));
    return its.find((each) => each.dataset.deed === which.deed) || its[0];
  }

  function back() {
    (same(about) || byId("alerts")).focus();
  }

  /* Dash makes the list anew whenever it changes: the button that has the focus keeps it */
  let focused = null, watched = null;
  document.addEventListener("focusin", (event) => {
    focused = event.target.matches("#alerts button[data-deed]") ? Object.assign({}, event.target.dataset) : null;
  });
  document.addEventListener("focusout", (event) => {
    setTimeout(() => { if (event.target.isConnected && document.activeElement === document.body) focused = null; }, 0);
  });
  const keep = new MutationObserver(() => {
    const button = focused && document.activeElement === document.body && same(focused);
    if (button) button.focus({ preventScroll: true });
  });
  setInterval(() => {
    const list = byId("alerts");
    if (!list || list === watched) return;
    watched = list;
    keep.disconnect();
    keep.observe(list, { childList: true, subtree: true });
  }, 500);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.deed) open(button);
    if (button.dataset.close) button.closest("dialog").close();
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "act-form") return;
    event.preventDefault();
    send();
  });
  document.addEventListener("close", (event) => { if (event.target.id === "act-dialog") back(); }, true);
})();
