// Opens a saved run: a page of its own with the instrument, a title and a switch for light and dark.
// Finds its data in the document; needs no server.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;

  Forklore.openStandalone = () => {
    const value = JSON.parse(document.getElementById("forklore-data").textContent);
    const dark = (on) => document.body.classList.toggle("dark", on);
    dark(matchMedia("(prefers-color-scheme: dark)").matches);
    const button = dom.button("", () => { dark(!dom.isDark()); name(); });
    const name = () => { button.textContent = dom.isDark() ? "Light" : "Dark"; };
    name();
    const host = el("div");
    document.getElementById("forklore-run").append(
      el("header", { class: "fl-standalone-head" }, el("b", { text: "Forklore" }), el("h1", {}, el("bdi", { text: document.title })), button), host);
    Forklore.explorer = Forklore.mountExplorer({
      element: host, trigger: () => {}, watch: () => {},
      props: { value: value.endsWith("\n") ? value : `${value}\n`, deeplink: false, hint: "This file holds no run." },
    });
  };
})();
