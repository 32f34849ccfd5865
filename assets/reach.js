// A job that was asked for and has not reached the server: said beside the button that was pressed, for as long as it lasts.
// Knows the two calls a job begins with; does not know what the job is, nor why the server does not answer.
(() => {
  "use strict";
  const { el } = window.Forklore.dom;
  const SLOW_MS = 400;
  const BEGINNING = /\/gradio_api\/queue\/(join|data)/;
  const ask = window.fetch;
  const line = el("p", { class: "fl-reach", role: "status" });
  let pressed = null;
  let waiting = 0;

  addEventListener("click", (event) => { pressed = event.target instanceof Element ? event.target.closest("button") : null; }, true);

  function show() {
    if (document.querySelector(".fl-ended-access")) return;
    const beside = pressed?.isConnected ? pressed.getBoundingClientRect() : null;
    line.textContent = "Waiting for the server …";
    document.body.append(line);
    if (!beside) return;
    line.style.top = `${beside.bottom + scrollY + 4}px`;
    line.style.left = `${Math.max(8, Math.min(beside.left, innerWidth - line.offsetWidth - 8)) + scrollX}px`;
  }

  window.fetch = async (what, options) => {
    const address = typeof what === "string" ? what : what instanceof URL ? what.href : what.url;
    if (!BEGINNING.test(address)) return ask(what, options);
    let slow = false;
    const timer = setTimeout(() => { slow = true; waiting += 1; show(); }, SLOW_MS);
    try {
      return await ask(what, options);
    } finally {
      clearTimeout(timer);
      if (slow) waiting -= 1;
      if (!waiting) line.remove();
    }
  };
})();
