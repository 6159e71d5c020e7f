/* Choices of a drawing (`data-choice`): what is chosen stands in the address, and the server draws accordingly. */
(function () {
  "use strict";
  const meltwin = () => window.dash_clientside && window.dash_clientside.meltwin;

  document.addEventListener("change", (event) => {
    const name = event.target.dataset && event.target.dataset.choice;
    if (name) meltwin().look({ ...meltwin().asked(), [name]: event.target.value });
  });

  /* what the address says is what the control shows, once it is there */
  function begin() {
    const controls = document.querySelectorAll("[data-choice]");
    if (!controls.length) { setTimeout(begin, 100); return; }
    const asked = meltwin().asked();
    for (const control of controls) {
      const said = asked[control.dataset.choice];
      if (Array.from(control.options).some((option) => option.value === said)) control.value = said;
    }
  }
  begin();
})();
