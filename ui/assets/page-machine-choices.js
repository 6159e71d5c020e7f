/* Choices of a drawing (`data-choice`): what is chosen stands in the address, and the server draws accordingly. And what
   is turned, dragged or pressed is left alone until it is let go: a button drawn anew under a finger is not pressed. */
(function () {
  "use strict";
  const meltwin = () => window.dash_clientside && window.dash_clientside.meltwin;

  document.addEventListener("change", (event) => {
    const name = event.target.dataset && event.target.dataset.choice;
    if (name) meltwin().look({ ...meltwin().asked(), [name]: event.target.value });
  });

  window.addEventListener("pointerdown", (event) => {
    const held = event.target.closest(".graph, #alerts");
    if (held && held.id) meltwin().inHand.add(held.id);
  }, true);
  for (const end of ["pointerup", "pointercancel", "blur"]) {
    window.addEventListener(end, () => setTimeout(() => { if (meltwin()) meltwin().inHand.clear(); }, 50), true);
  }

  /* the melt pool stays turned as it was left: its box, and with it Plotly's own view, changes with the pool */
  let view = null, turned = null;
  function keepTurned() {
    const graph = document.querySelector("#pool .js-plotly-plot");
    if (graph && graph.on && graph !== turned) {
      turned = graph;
      graph.on("plotly_relayout", (said) => { view = said["scene.camera"] || view; });
    }
    meltwin().asLeft.pool = (props) => {
      if (view && props.figure.layout.scene) props.figure.layout.scene.camera = view;
      return props;
    };
  }
  document.addEventListener("dblclick", (event) => { if (event.target.closest("#pool")) { view = null; meltwin().look(meltwin().asked()); } });
  setInterval(() => { if (meltwin()) keepTurned(); }, 500);

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
