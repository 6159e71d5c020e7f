/* The page People: what an engineer does to an account; what cannot be undone at once is asked for twice. */
(function () {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const live = () => window.dash_clientside.meltwin;
  const TWICE = ["new_password", "disable_account"];
  const SURE_MS = 10000;
  let armed = null;  /* {act, name, timer}: here and not on the button, which a new table replaces */

  function say(text, bad) {
    const place = byId("people-said");
    place.textContent = text;
    place.classList.toggle("bad", Boolean(bad));
  }

  /* shown once: it is kept nowhere, and goes with the next act */
  function show(name, password) {
    const place = byId("people-password");
    place.hidden = !password;
    place.textContent = "";
    if (!password) return;
    const code = document.createElement("code"), hint = document.createElement("span");
    code.textContent = password;
    hint.textContent = "Password of " + name + ", shown this once: ";
    place.append(hint, code);
    place.tabIndex = -1;
    place.focus();
  }

  async function act(name, said) {
    show("", "");
    try {
      const done = await live().act(name, said);
      say(done.said);
      show(done.name, done.password);
    } catch (error) { say(error.message, true); }
  }

  const isArmed = (button) =>
    Boolean(armed) && armed.act === button.dataset.act && armed.name === button.dataset.name;

  function label() {
    document.querySelectorAll("#crew [data-act]").forEach((button) => {
      const shown = button.dataset.label;
      const wanted = isArmed(button) ? "Once more: " + shown.toLowerCase() : shown;
      if (button.textContent !== wanted) button.textContent = wanted;
    });
  }

  function disarm() {
    if (armed) clearTimeout(armed.timer);
    armed = null;
    label();
  }

  function sure(button) {
    const again = isArmed(button);
    disarm();
    if (again || !TWICE.includes(button.dataset.act)) return true;
    armed = { act: button.dataset.act, name: button.dataset.name, timer: setTimeout(disarm, SURE_MS) };
    label();
    say(button.dataset.label + " " + armed.name + "? Press it again within " + SURE_MS / 1000 + " s.");
    return false;
  }

  function add(proxy) {
    const name = byId("people-name").value.trim();
    act("add_account", { name: name, role: byId("people-role").value, proxy: proxy });
    window.dash_clientside.set_props("people-name", { value: "" });
  }

  document.addEventListener("click", (event) => {
    if (event.target.id === "people-add-proxy") add(true);
    const button = event.target.closest("#crew [data-act]");
    if (!button || !sure(button)) return;
    const name = button.dataset.name, role = document.querySelector('[data-role-of="' + CSS.escape(name) + '"]');
    act(button.dataset.act, { name: name, role: role ? role.value : "" });
  });
  new MutationObserver(() => { if (armed) label(); }).observe(document.body, { childList: true, subtree: true });
  document.addEventListener("submit", (event) => {
    if (event.target.id === "people-form") { event.preventDefault(); add(false); }
  });
})();
