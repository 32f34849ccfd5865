// What is left of a person's share of the model: one quiet line that keeps its height whatever it says.
(() => {
  'use strict';
  const Forklore = (window.Forklore = window.Forklore || {});

  Forklore.mountShares = ({ element, props, watch }) => {
    const root = element.querySelector('.fl-piece');
    root.classList.add('fl-shares');
    const draw = () => {
      let said = {};
      try { said = JSON.parse(props.value || '{}'); } catch { said = {}; }
      // a screen reader finds it where it stands; read out with every job it would talk without end
      root.textContent = Forklore.dom.shown(said.text || '');
      root.dataset.low = String(Boolean(said.low));
    };
    watch('value', draw);
    draw();
  };
})();
