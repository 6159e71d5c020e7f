/* The page People: what an engineer does to an account; what cannot be undone at once is asked for twice. */
(function () {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const live = () => window.dash_clientside.meltwin;
  const TWICE = ["new_password", "disable_account"];
  const SURE_MS = 5000;

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

  function sure(button) {
    if (!TWICE.includes(button.dataset.act) || button.dataset.sure) return true;
    const label = button.textContent;
    button.dataset.sure = "yes";
    button.textContent = "Once more: " + label.toLowerCase();
    setTimeout(() => { delete button.dataset.sure; button.textContent = label; }, SURE_MS);
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
  document.addEventListener("submit", (event) => {
    if (event.target.id === "people-form") { event.preventDefault(); add(false); }
  });
})();
